/* SPDX-License-Identifier: ISC */

/* What the system calls cost that a native program would use, one thread. */

#include "bench.h"

#ifdef __linux__

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH 64

static uint64_t
run_getpid(uint64_t count)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < count; i++)
		CHECK(syscall(SYS_getpid) > 0);
	return now_ns() - start;
}

static uint64_t
run_clock(uint64_t count)
{
	uint64_t start = now_ns(), last = start;

	for (uint64_t i = 0; i < count; i++)
		last = now_ns();
	return last - start;
}

static void
add(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static uint64_t
run_eventfd(uint64_t count)
{
	uint64_t one = 1, value = 0, start, end;
	int fd = eventfd(0, EFD_CLOEXEC);

	CHECK(fd >= 0);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		CHECK(write(fd, &one, 8) == 8);
		CHECK(read(fd, &value, 8) == 8);
	}
	end = now_ns();
	CHECK(value == 1);
	close(fd);
	return end - start;
}

static uint64_t
run_eventfd_epoll(uint64_t count)
{
	struct epoll_event event;
	uint64_t one = 1, start, end;
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	CHECK(epoll >= 0 && fd >= 0);
	add(epoll, fd, EPOLLIN | EPOLLET);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		CHECK(write(fd, &one, 8) == 8);
		CHECK(epoll_wait(epoll, &event, 1, 0) == 1);
	}
	end = now_ns();
	close(fd);
	close(epoll);
	return end - start;
}

/* Counts events, not batches. */
static uint64_t
run_eventfd_epoll_batch(uint64_t count)
{
	struct epoll_event events[BATCH];
	uint64_t one = 1, start, end;
	int epoll = epoll_create1(EPOLL_CLOEXEC), fds[BATCH];

	CHECK(epoll >= 0);
	for (int i = 0; i < BATCH; i++) {
		CHECK((fds[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
		add(epoll, fds[i], EPOLLIN | EPOLLET);
	}
	start = now_ns();
	for (uint64_t done = 0; done < count; done += BATCH) {
		for (int i = 0; i < BATCH; i++)
			CHECK(write(fds[i], &one, 8) == 8);
		CHECK(epoll_wait(epoll, events, BATCH, 0) == BATCH);
	}
	end = now_ns();
	for (int i = 0; i < BATCH; i++)
		close(fds[i]);
	close(epoll);
	return (end - start) * count / ((count + BATCH - 1) / BATCH * BATCH);
}

static uint64_t
run_epoll_add_del(uint64_t count)
{
	uint64_t start, end;
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	CHECK(epoll >= 0 && fd >= 0);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		add(epoll, fd, EPOLLIN | EPOLLET);
		CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0);
	}
	end = now_ns();
	close(fd);
	close(epoll);
	return end - start;
}

static uint64_t
run_epoll_mod(uint64_t count)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	uint64_t start, end;
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	CHECK(epoll >= 0 && fd >= 0);
	add(epoll, fd, EPOLLIN | EPOLLET);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++)
		CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0);
	end = now_ns();
	close(fd);
	close(epoll);
	return end - start;
}

static uint64_t
run_epoll_empty(uint64_t count)
{
	struct epoll_event events[BATCH];
	uint64_t start, end;
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	CHECK(epoll >= 0 && fd >= 0);
	add(epoll, fd, EPOLLIN | EPOLLET);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++)
		CHECK(epoll_wait(epoll, events, BATCH, 0) == 0);
	end = now_ns();
	close(fd);
	close(epoll);
	return end - start;
}

static uint64_t
run_timerfd(uint64_t count)
{
	struct itimerspec arm = { .it_value.tv_sec = 3600 }, disarm = { 0 };
	uint64_t start, end;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	CHECK(fd >= 0);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		CHECK(timerfd_settime(fd, 0, &arm, NULL) == 0);
		CHECK(timerfd_settime(fd, 0, &disarm, NULL) == 0);
	}
	end = now_ns();
	close(fd);
	return end - start;
}

static uint64_t
pipe_pairs(uint64_t count, ssize_t length)
{
	char buffer[64] = { 0 };
	uint64_t start, end;
	int fds[2];

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		CHECK(write(fds[1], buffer, (size_t)length) == length);
		CHECK(read(fds[0], buffer, (size_t)length) == length);
	}
	end = now_ns();
	close(fds[0]);
	close(fds[1]);
	return end - start;
}

static uint64_t
run_pipe_8(uint64_t count)
{
	return pipe_pairs(count, 8);
}

static uint64_t
run_pipe_32(uint64_t count)
{
	return pipe_pairs(count, 32);
}

const struct operation single_operations[] = {
	{ "getpid", run_getpid },
	{ "clock-read", run_clock },
	{ "eventfd-write-read", run_eventfd },
	{ "eventfd-write-epoll-wait", run_eventfd_epoll },
	{ "eventfd-write-epoll-wait-batch", run_eventfd_epoll_batch },
	{ "epoll-add-del", run_epoll_add_del },
	{ "epoll-mod", run_epoll_mod },
	{ "epoll-wait-empty", run_epoll_empty },
	{ "timerfd-arm-disarm", run_timerfd },
	{ "pipe-write-read-8", run_pipe_8 },
	{ "pipe-write-read-32", run_pipe_32 },
	{ NULL, NULL },
};

#else

#include <unistd.h>

static uint64_t
run_getpid(uint64_t count)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < count; i++)
		CHECK(getppid() >= 0);
	return now_ns() - start;
}

const struct operation single_operations[] = {
	{ "getpid", run_getpid },
	{ NULL, NULL },
};

#endif
