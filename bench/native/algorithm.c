/* SPDX-License-Identifier: ISC */

/*
 * What Knell does for a user event, written in C over ordinary memory: a lock that is one
 * compare-and-swap in and one exchange out, a hash of registrations, a list of those that are
 * ready, records of 16 words in and out. No system call unless a thread has to sleep. It says
 * how far the JavaScript form is from what the processor allows; it checks nothing that the
 * algorithm does not need.
 */

#include "bench.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define BATCH 64
#define KNOTES 1024
#define BUCKETS 1024
#define SPIN_NS 20000

#define FILTER_USER (-11)
#define NOTE_TRIGGER 0x01000000u
#define KN_QUEUED 1u

/* FreeBSD's struct kevent. */
struct record {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
	uint64_t ext[4];
};

struct knote {
	uint32_t ident, next, ready_next, status, fflags, udata;
	char pad[40];
};

struct queue {
	_Atomic uint32_t lock;
	uint32_t head, tail, waiting;
	char pad0[48];
	_Atomic uint32_t peek; /* what a spinning waiter reads */
	char pad1[60];
	_Atomic uint32_t sequence; /* what a sleeping waiter sleeps on */
	char pad2[60];
	uint32_t buckets[BUCKETS];
	struct knote knotes[KNOTES + 1];
};

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
	if (processors() == 1)
		sched_yield();
}

/* The thread that holds the lock never sleeps, so waiting for it by spinning is enough here. */
static inline void
lock(struct queue *q)
{
	uint32_t expected = 0;

	while (!atomic_compare_exchange_strong(&q->lock, &expected, 1)) {
		while (atomic_load_explicit(&q->lock, memory_order_relaxed) != 0)
			relax();
		expected = 0;
	}
}

static inline void
unlock(struct queue *q)
{
	CHECK(atomic_exchange(&q->lock, 0) == 1);
}

static void
queue_init(struct queue *q, uint32_t knotes)
{
	memset(q, 0, sizeof(*q));
	for (uint32_t i = 1; i <= knotes; i++) {
		uint32_t *bucket = &q->buckets[i % BUCKETS];

		q->knotes[i].ident = i;
		q->knotes[i].next = *bucket;
		*bucket = i;
	}
}

static inline uint32_t
find(const struct queue *q, uint32_t ident)
{
	uint32_t kn = q->buckets[ident % BUCKETS];

	while (kn != 0 && q->knotes[kn].ident != ident)
		kn = q->knotes[kn].next;
	return kn;
}

static inline void
trigger_locked(struct queue *q, const struct record *change)
{
	uint32_t kn = find(q, (uint32_t)change->ident);
	struct knote *knote = &q->knotes[kn];

	CHECK(kn != 0 && change->filter == FILTER_USER && change->fflags == NOTE_TRIGGER);
	if (knote->status & KN_QUEUED)
		return;
	knote->status |= KN_QUEUED;
	knote->ready_next = 0;
	if (q->tail != 0)
		q->knotes[q->tail].ready_next = kn;
	else
		q->head = kn;
	q->tail = kn;
}

static inline int
collect_locked(struct queue *q, struct record *events, int max)
{
	uint32_t kn = q->head;
	int n = 0;

	while (kn != 0 && n < max) {
		struct knote *knote = &q->knotes[kn];
		struct record *event = &events[n++];

		event->ident = knote->ident;
		event->filter = FILTER_USER;
		event->flags = 0x20;
		event->fflags = knote->fflags;
		event->data = 0;
		event->udata = knote->udata;
		memset(event->ext, 0, sizeof(event->ext));
		knote->status &= ~KN_QUEUED;
		kn = knote->ready_next;
	}
	q->head = kn;
	if (kn == 0)
		q->tail = 0;
	return n;
}

static struct queue queues[2];
static struct record changes[BATCH], events[2][BATCH];

static uint64_t
batches(uint64_t count, int batch)
{
	struct queue *q = &queues[0];
	uint64_t start, done;

	queue_init(q, (uint32_t)batch);
	for (int i = 0; i < batch; i++)
		changes[i] = (struct record){
			.ident = (uint64_t)i + 1, .filter = FILTER_USER, .fflags = NOTE_TRIGGER,
		};
	start = now_ns();
	for (done = 0; done < count; done += (uint64_t)batch) {
		lock(q);
		for (int i = 0; i < batch; i++)
			trigger_locked(q, &changes[i]);
		unlock(q);
		lock(q);
		CHECK(collect_locked(q, events[0], batch) == batch);
		unlock(q);
	}
	return (now_ns() - start) * count / done;
}

static uint64_t
run_batch_1(uint64_t count)
{
	return batches(count, 1);
}

static uint64_t
run_batch_64(uint64_t count)
{
	return batches(count, BATCH);
}

static void
trigger(struct queue *q, uint32_t ident)
{
	struct record change = {
		.ident = ident, .filter = FILTER_USER, .fflags = NOTE_TRIGGER,
	};
	int wake = 0;

	lock(q);
	trigger_locked(q, &change);
	atomic_store_explicit(&q->peek, 1, memory_order_relaxed);
	if (q->waiting) {
		q->waiting = 0;
		atomic_fetch_add(&q->sequence, 1);
		wake = 1;
	}
	unlock(q);
#ifdef __linux__
	if (wake)
		syscall(SYS_futex, &q->sequence, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
#else
	(void)wake;
#endif
}

static int
try_collect(struct queue *q, struct record *out, int max, int sleep, uint32_t *sequence)
{
	int n;

	lock(q);
	n = collect_locked(q, out, max);
	if (q->head == 0)
		atomic_store_explicit(&q->peek, 0, memory_order_relaxed);
	if (n == 0 && sleep) {
		q->waiting = 1;
		*sequence = atomic_load(&q->sequence);
	}
	unlock(q);
	return n;
}

/* Spins for as long as a wake-up costs, then sleeps. */
static int
wait_events(struct queue *q, struct record *out, int max)
{
	uint32_t sequence = 0;

	for (;;) {
		uint64_t end = now_ns() + SPIN_NS;
		int n;

		do {
			for (int i = 0; i < 64 && atomic_load(&q->peek) == 0; i++)
				relax();
		} while (atomic_load(&q->peek) == 0 && now_ns() < end);
		n = try_collect(q, out, max, atomic_load(&q->peek) == 0, &sequence);
		if (n != 0)
			return n;
#ifdef __linux__
		syscall(SYS_futex, &q->sequence, FUTEX_WAIT_PRIVATE, sequence, NULL, NULL, 0);
#endif
	}
}

struct run {
	uint64_t count;
	_Atomic int done;
};

static void
answer(void *p)
{
	for (uint64_t i = 0; i < ((struct run *)p)->count; i++) {
		wait_events(&queues[0], events[0], 1);
		trigger(&queues[1], 1);
	}
}

static uint64_t
ask(void *p)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < ((struct run *)p)->count; i++) {
		trigger(&queues[0], 1);
		wait_events(&queues[1], events[1], 1);
	}
	return now_ns() - start;
}

static uint64_t
run_ping_pong(uint64_t count)
{
	struct run run = { .count = count };

	queue_init(&queues[0], 1);
	queue_init(&queues[1], 1);
	return with_partner(answer, ask, &run);
}

static void
produce(void *p)
{
	struct run *run = p;

	for (uint32_t i = 0; atomic_load(&run->done) == 0; i++)
		trigger(&queues[0], i % KNOTES + 1);
}

static uint64_t
consume(void *p)
{
	struct run *run = p;
	uint64_t start = now_ns(), got = 0;

	while (got < run->count)
		got += (uint64_t)wait_events(&queues[0], events[0], BATCH);
	start = now_ns() - start;
	atomic_store(&run->done, 1);
	return start * run->count / got;
}

static uint64_t
run_stream(uint64_t count)
{
	struct run run = { .count = count };

	queue_init(&queues[0], KNOTES);
	return with_partner(produce, consume, &run);
}

const struct operation algorithm_operations[] = {
	{ "algorithm-trigger-collect", run_batch_1 },
	{ "algorithm-batch-64", run_batch_64 },
	{ "algorithm-ping-pong", run_ping_pong },
	{ "algorithm-stream", run_stream },
	{ NULL, NULL },
};
