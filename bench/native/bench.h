/* SPDX-License-Identifier: ISC */

/*
 * The native side of the benchmarks: one program that waits for commands on its standard input.
 *
 *   list            prints the names of the operations that this system has, on one line
 *   run NAME N      does NAME N times and prints the nanoseconds that it took, in total
 *   quit            ends; so does the end of the input
 *
 * An operation whose interest is a delay (how soon does a sleeping thread wake) reports N times
 * the median delay, so that the total divided by N is a figure in every case. A line that starts
 * with "error" says what went wrong.
 */

#ifndef KNELL_BENCH_H
#define KNELL_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct operation {
	const char *name;
	/* Returns the nanoseconds that `count` operations took. */
	uint64_t (*run)(uint64_t count);
};

/* Each table ends with a NULL name. */
extern const struct operation single_operations[];    /* system calls, one thread */
extern const struct operation thread_operations[];    /* system calls, two threads */
extern const struct operation algorithm_operations[]; /* no system calls: what Knell does, in C */

static inline uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A failing call would be timed as a very fast one, so it ends the program. */
#define CHECK(condition)                                                                  \
	do {                                                                              \
		if (!(condition)) {                                                       \
			printf("error %s:%d: %s\n", __FILE__, __LINE__, #condition);      \
			exit(1);                                                          \
		}                                                                         \
	} while (0)

/*
 * Runs partner(argument) in a second thread and body(argument) in this one, each on a processor of
 * its own where there are two; both start together. Returns what body returned.
 */
uint64_t with_partner(void (*partner)(void *), uint64_t (*body)(void *), void *argument);

/* Number of processors that this process may use. */
int processors(void);

/* The middle one; sorts the values. */
uint64_t median(uint64_t *values, uint64_t count);

#endif
