/* SPDX-License-Identifier: ISC */

/* The command loop and the two-thread scaffold. See bench.h for the protocol. */

#include "bench.h"

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const struct operation *const tables[] = {
	single_operations,
	thread_operations,
	algorithm_operations,
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct operation *
find(const char *name)
{
	for (size_t t = 0; t < TABLES; t++)
		for (const struct operation *op = tables[t]; op->name != NULL; op++)
			if (strcmp(op->name, name) == 0)
				return op;
	return NULL;
}

static void
list(void)
{
	for (size_t t = 0; t < TABLES; t++)
		for (const struct operation *op = tables[t]; op->name != NULL; op++)
			printf("%s ", op->name);
	printf("\n");
}

#ifdef __linux__
static cpu_set_t allowed;

int
processors(void)
{
	return CPU_COUNT(&allowed);
}

/* Puts the calling thread on the nth processor that the process was given; -1 means on any. */
static void
pin(int nth)
{
	cpu_set_t set;

	if (nth < 0) {
		sched_setaffinity(0, sizeof(allowed), &allowed);
		return;
	}
	nth %= CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || nth-- != 0)
			continue;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		return;
	}
}
#else
int
processors(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void
pin(int nth)
{
	(void)nth;
}
#endif

struct pair {
	void (*partner)(void *);
	void *argument;
	_Atomic int ready;
	_Atomic int go;
};

static void *
partner_thread(void *p)
{
	struct pair *pair = p;

	pin(1);
	atomic_store(&pair->ready, 1);
	while (atomic_load(&pair->go) == 0)
		if (processors() == 1)
			usleep(10);
	pair->partner(pair->argument);
	return NULL;
}

uint64_t
with_partner(void (*partner)(void *), uint64_t (*body)(void *), void *argument)
{
	struct pair pair = { .partner = partner, .argument = argument };
	pthread_t thread;
	uint64_t result;

	CHECK(pthread_create(&thread, NULL, partner_thread, &pair) == 0);
	pin(0);
	while (atomic_load(&pair.ready) == 0)
		if (processors() == 1)
			usleep(10);
	atomic_store(&pair.go, 1);
	result = body(argument);
	CHECK(pthread_join(thread, NULL) == 0);
	pin(-1);
	return result;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t
median(uint64_t *values, uint64_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static void
run(const char *name, uint64_t count)
{
	const struct operation *op = find(name);

	if (op == NULL)
		printf("error no operation %s\n", name);
	else if (count == 0)
		printf("error count is 0\n");
	else
		printf("%llu\n", (unsigned long long)op->run(count));
}

int
main(void)
{
	char line[256], name[128];
	unsigned long long count;

#ifdef __linux__
	CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
#endif
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strcmp(line, "quit\n") == 0)
			break;
		if (strcmp(line, "list\n") == 0)
			list();
		else if (sscanf(line, "run %127s %llu", name, &count) == 2)
			run(name, count);
		else
			printf("error cannot read this line\n");
	}
	return 0;
}
