/* SPDX-License-Identifier: ISC */

/* What it costs natively to wake another thread and to hand events to it, by system calls. */

#include "bench.h"

#ifdef __linux__

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH 64
#define SOURCES 1024

/* How long a thread that announced its sleep is left alone, so that it really sleeps. */
#define SETTLE_NS 200000

static void
futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void
futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Two directions, each a futex word or an eventfd watched by an epoll. */
struct link {
	_Atomic uint32_t word;
	char pad[60];
	int fd, epoll;
};

struct threads {
	struct link there, back;
	uint64_t count;
	_Atomic uint64_t announced, stamp;
	uint64_t *delays;
};

static void
link_open(struct link *link)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	memset(link, 0, sizeof(*link));
	CHECK((link->fd = eventfd(0, EFD_CLOEXEC)) >= 0);
	CHECK((link->epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	CHECK(epoll_ctl(link->epoll, EPOLL_CTL_ADD, link->fd, &event) == 0);
}

static void
link_close(struct link *link)
{
	close(link->fd);
	close(link->epoll);
}

static void
futex_send(struct link *link, uint64_t number)
{
	atomic_store(&link->word, (uint32_t)number);
	futex_wake(&link->word);
}

static void
futex_receive(struct link *link, uint64_t number)
{
	uint32_t value;

	while ((value = atomic_load(&link->word)) != (uint32_t)number)
		futex_wait(&link->word, value);
}

static void
epoll_send(struct link *link, uint64_t number)
{
	uint64_t one = 1;

	(void)number;
	CHECK(write(link->fd, &one, 8) == 8);
}

static void
epoll_receive(struct link *link, uint64_t number)
{
	struct epoll_event event;
	int n;

	(void)number;
	while ((n = epoll_wait(link->epoll, &event, 1, -1)) < 0)
		continue;
	CHECK(n == 1);
}

typedef void step(struct link *link, uint64_t number);

/* Round trips: the partner answers each message. */
static inline void
answer(struct threads *t, step *receive, step *send)
{
	for (uint64_t i = 1; i <= t->count; i++) {
		receive(&t->there, i);
		send(&t->back, i);
	}
}

static inline uint64_t
ask(struct threads *t, step *receive, step *send)
{
	uint64_t start = now_ns();

	for (uint64_t i = 1; i <= t->count; i++) {
		send(&t->there, i);
		receive(&t->back, i);
	}
	return now_ns() - start;
}

/* One way: the partner sleeps, and notes when it ran again. */
static inline void
sleeper(struct threads *t, step *receive)
{
	for (uint64_t i = 1; i <= t->count; i++) {
		atomic_store(&t->announced, i);
		receive(&t->there, i);
		atomic_store(&t->stamp, now_ns());
	}
}

static inline uint64_t
waker(struct threads *t, step *send)
{
	uint64_t start, stamp;

	for (uint64_t i = 1; i <= t->count; i++) {
		while (atomic_load(&t->announced) != i)
			continue;
		for (start = now_ns(); now_ns() - start < SETTLE_NS;)
			continue;
		atomic_store(&t->stamp, 0);
		start = now_ns();
		send(&t->there, i);
		while ((stamp = atomic_load(&t->stamp)) == 0)
			continue;
		t->delays[i - 1] = stamp - start;
	}
	return median(t->delays, t->count) * t->count;
}

static void partner_futex_answer(void *p) { answer(p, futex_receive, futex_send); }
static void partner_epoll_answer(void *p) { answer(p, epoll_receive, epoll_send); }
static void partner_futex_sleep(void *p) { sleeper(p, futex_receive); }
static void partner_epoll_sleep(void *p) { sleeper(p, epoll_receive); }
static uint64_t body_futex_ask(void *p) { return ask(p, futex_receive, futex_send); }
static uint64_t body_epoll_ask(void *p) { return ask(p, epoll_receive, epoll_send); }
static uint64_t body_futex_wake(void *p) { return waker(p, futex_send); }
static uint64_t body_epoll_wake(void *p) { return waker(p, epoll_send); }

static uint64_t
linked(uint64_t count, void (*partner)(void *), uint64_t (*body)(void *))
{
	struct threads t = { .count = count };
	uint64_t result;

	link_open(&t.there);
	link_open(&t.back);
	CHECK((t.delays = calloc(count, sizeof(*t.delays))) != NULL);
	result = with_partner(partner, body, &t);
	free(t.delays);
	link_close(&t.there);
	link_close(&t.back);
	return result;
}

static uint64_t
run_futex_ping_pong(uint64_t count)
{
	return linked(count, partner_futex_answer, body_futex_ask);
}

static uint64_t
run_epoll_ping_pong(uint64_t count)
{
	return linked(count, partner_epoll_answer, body_epoll_ask);
}

static uint64_t
run_futex_wake(uint64_t count)
{
	return linked(count, partner_futex_sleep, body_futex_wake);
}

static uint64_t
run_epoll_wake(uint64_t count)
{
	return linked(count, partner_epoll_sleep, body_epoll_wake);
}

/* One producer writes to 1024 eventfds in turn; one consumer collects until it has `count`. */
struct stream {
	int epoll, fds[SOURCES];
	uint64_t count;
	_Atomic int done;
};

static void
produce(void *p)
{
	struct stream *s = p;
	uint64_t one = 1;

	for (uint64_t i = 0; atomic_load(&s->done) == 0; i++)
		CHECK(write(s->fds[i % SOURCES], &one, 8) == 8);
}

static uint64_t
consume(void *p)
{
	struct stream *s = p;
	struct epoll_event events[BATCH];
	uint64_t start = now_ns(), got = 0;

	while (got < s->count) {
		int n = epoll_wait(s->epoll, events, BATCH, -1);

		if (n > 0)
			got += (uint64_t)n;
	}
	start = now_ns() - start;
	atomic_store(&s->done, 1);
	return start * s->count / got;
}

static uint64_t
run_epoll_stream(uint64_t count)
{
	static struct stream s;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct rlimit limit;
	uint64_t result;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	memset(&s, 0, sizeof(s));
	s.count = count;
	CHECK((s.epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	for (int i = 0; i < SOURCES; i++) {
		CHECK((s.fds[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
		CHECK(epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.fds[i], &event) == 0);
	}
	result = with_partner(produce, consume, &s);
	for (int i = 0; i < SOURCES; i++)
		close(s.fds[i]);
	close(s.epoll);
	return result;
}

const struct operation thread_operations[] = {
	{ "futex-ping-pong", run_futex_ping_pong },
	{ "eventfd-epoll-ping-pong", run_epoll_ping_pong },
	{ "futex-wake", run_futex_wake },
	{ "eventfd-epoll-wake", run_epoll_wake },
	{ "eventfd-epoll-stream", run_epoll_stream },
	{ NULL, NULL },
};

#else

const struct operation thread_operations[] = {
	{ NULL, NULL },
};

#endif
