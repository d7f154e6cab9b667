/* SPDX-License-Identifier: ISC */

/*
 * What Knell does for a user event, written in C over ordinary memory: a lock that is one
 * compare-and-swap in and one exchange out, a hash of registrations, a list of those that are
 * ready, records of 16 words in and out. No system call unless a thread has to sleep. It says
 * how far the JavaScript form is from what the processor allows, and so it takes the same steps in
 * the same order on the same layout: the flags that a change may carry, both halves of an
 * identifier, claims, values with a cold part, level and edge, doubly linked and counted.
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
#define NOTE_VALUE 0x00ffffffu
#define EV_ONESHOT 0x0010u
#define EV_CLEAR 0x0020u
#define EV_DISPATCH 0x0080u
#define KN_ACTIVE 0x01u
#define KN_QUEUED 0x02u
#define KN_DISABLED 0x04u
#define KN_DELIVERED 0x10u
#define KN_TRIGGERED 0x20u
#define KN_WIDE 0x80u
#define OPS_USER 1

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
	uint32_t ident;
	int16_t filter;
	uint16_t ops;
	uint16_t status, flags;
	uint32_t fflags, sfflags, data, sdata, udata, kq, obj;
	uint32_t next, ready_next, ready_prev, klist_next, cold, claim;
};

struct cold {
	uint32_t ident_hi, data_hi, udata_hi, ext[8];
};

struct queue {
	_Atomic uint32_t lock;
	uint32_t head, tail, count, fresh, waiting;
	char pad0[40];
	_Atomic uint32_t peek; /* what a spinning waiter reads */
	char pad1[60];
	_Atomic uint32_t sequence; /* what a sleeping waiter sleeps on */
	char pad2[60];
	uint32_t buckets[BUCKETS];
	struct knote knotes[KNOTES + 1];
	struct cold colds[2]; /* none is in use: 0 stands for no cold part */
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
		q->knotes[i].filter = FILTER_USER;
		q->knotes[i].ops = OPS_USER;
		q->knotes[i].flags = EV_CLEAR;
		q->knotes[i].next = *bucket;
		*bucket = i;
	}
}

static inline uint32_t
find(const struct queue *q, uint64_t ident, int filter)
{
	uint32_t lo = (uint32_t)ident, hi = (uint32_t)(ident >> 32);
	uint32_t kn = q->buckets[lo % BUCKETS];

	for (; kn != 0; kn = q->knotes[kn].next) {
		const struct knote *knote = &q->knotes[kn];

		if (knote->ident == lo && knote->filter == filter &&
		    (knote->status & KN_WIDE ? q->colds[knote->cold].ident_hi : 0) == hi)
			break;
	}
	return kn;
}

static inline void
append_locked(struct queue *q, uint32_t kn)
{
	struct knote *knote = &q->knotes[kn];

	knote->ready_next = 0;
	knote->ready_prev = q->tail;
	if (q->tail != 0)
		q->knotes[q->tail].ready_next = kn;
	else
		q->head = kn;
	q->tail = kn;
	q->count++;
}

static inline void
activate_locked(struct queue *q, uint32_t kn)
{
	struct knote *knote = &q->knotes[kn];

	if (knote->status & KN_DISABLED ||
	    (knote->status & (KN_QUEUED | KN_DELIVERED)) == KN_QUEUED) {
		knote->status |= KN_ACTIVE;
		return;
	}
	if ((knote->status & KN_QUEUED) == 0)
		append_locked(q, kn);
	knote->status = (uint16_t)((knote->status & ~KN_DELIVERED) | KN_QUEUED | KN_ACTIVE);
	q->fresh++;
}

static inline uint32_t
operate(uint32_t old, uint32_t fflags)
{
	uint32_t low = fflags & NOTE_VALUE;

	switch (fflags >> 30) {
	case 0:
		return old;
	case 1:
		return old & low;
	case 2:
		return old | low;
	default:
		return low;
	}
}

static inline void
trigger_locked(struct queue *q, const struct record *change)
{
	uint32_t kn;
	struct knote *knote;

	CHECK(change->filter == FILTER_USER && change->flags == 0);
	kn = find(q, change->ident, change->filter);
	knote = &q->knotes[kn];
	CHECK(kn != 0 && knote->claim == 0);
	knote->fflags = operate(knote->fflags, change->fflags);
	if (change->fflags & NOTE_TRIGGER)
		knote->status |= KN_TRIGGERED;
	if (knote->status & KN_DISABLED)
		return;
	if (knote->status & KN_TRIGGERED ||
	    (knote->status & (KN_ACTIVE | KN_QUEUED)) == KN_ACTIVE)
		activate_locked(q, kn);
}

static inline void
record_write(const struct queue *q, const struct knote *knote, struct record *event)
{
	const struct cold *cold = &q->colds[knote->cold];
	uint64_t hi = knote->status & KN_WIDE ? cold->ident_hi : 0;

	event->ident = knote->ident | hi << 32;
	event->filter = knote->filter;
	event->flags = knote->flags;
	event->fflags = knote->fflags;
	event->data = knote->data;
	event->udata = knote->udata;
	memset(event->ext, 0, sizeof(event->ext));
	if (knote->cold != 0) {
		event->data |= (int64_t)((uint64_t)cold->data_hi << 32);
		event->udata |= (uint64_t)cold->udata_hi << 32;
		memcpy(event->ext, cold->ext, sizeof(event->ext));
	}
}

static inline int
collect_locked(struct queue *q, struct record *events, int max)
{
	uint32_t kn = q->head, left = q->count, back_head = 0, back_tail = 0, back = 0;
	int n = 0;

	while (left > 0 && n < max) {
		struct knote *knote = &q->knotes[kn];
		uint32_t next = knote->ready_next;

		left--;
		if ((knote->status & KN_DELIVERED) == 0)
			q->fresh--;
		knote->status &= (uint16_t)~(KN_QUEUED | KN_DELIVERED);
		CHECK(knote->ops == OPS_USER);
		if ((knote->flags & EV_ONESHOT) == 0 && (knote->status & KN_TRIGGERED) == 0) {
			knote->status &= (uint16_t)~KN_ACTIVE;
			kn = next;
			continue;
		}
		record_write(q, knote, &events[n++]);
		if (knote->flags & (EV_CLEAR | EV_DISPATCH)) {
			knote->status &= (uint16_t)~KN_ACTIVE;
			if (knote->flags & EV_DISPATCH)
				knote->status |= KN_DISABLED;
			if (knote->flags & EV_CLEAR) {
				knote->status &= (uint16_t)~KN_TRIGGERED;
				knote->data = 0;
				knote->fflags = 0;
				if (knote->cold != 0)
					q->colds[knote->cold].data_hi = 0;
			}
		} else {
			knote->status |= KN_QUEUED | KN_DELIVERED;
			knote->ready_prev = back_tail;
			if (back_tail == 0)
				back_head = kn;
			else
				q->knotes[back_tail].ready_next = kn;
			back_tail = kn;
			back++;
		}
		kn = next;
	}
	q->count = left + back;
	q->head = kn != 0 ? kn : back_head;
	if (kn == 0) {
		q->tail = back_tail;
	} else if (back_head != 0) {
		q->knotes[q->tail].ready_next = back_head;
		q->knotes[back_head].ready_prev = q->tail;
		q->tail = back_tail;
	}
	if (kn != 0)
		q->knotes[kn].ready_prev = 0;
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
