// SPDX-License-Identifier: ISC
/*
 * Does on a real Linux kernel what a line of text says, and answers with one line.
 *
 * Numbers that differ between systems (flags, errors, fcntl commands) travel by name, so the
 * test never has to know this machine's values. Answers are "ok VALUE [MORE]" or "err NAME".
 *
 * "begin TAG REQUEST" runs the request in a thread and answers when the kernel shows that thread
 * asleep (or when the request is done): /proc/self/task/TID/stat says so, no time is guessed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1 << 20)
#define THREADS_MAX 8
#define EVENTS_MAX 64
#define UNTOUCHED 0xa5
#define SLEEP_CHECKS_MAX 10000 /* of a millisecond each */

struct name {
	const char *text;
	long value;
};

static const struct name open_flags[] = {
	{"NONBLOCK", O_NONBLOCK}, {"CLOEXEC", O_CLOEXEC}, {"DIRECT", O_DIRECT},
	{"WRONLY", O_WRONLY},     {"RDWR", O_RDWR},       {"UNKNOWN", 0x40000000},
	{NULL, 0},
};
static const struct name eventfd_flags[] = {
	{"SEMAPHORE", EFD_SEMAPHORE}, {"NONBLOCK", EFD_NONBLOCK},
	{"CLOEXEC", EFD_CLOEXEC},     {"UNKNOWN", 0x40000000},    {NULL, 0},
};
static const struct name commands[] = {
	{"DUPFD", F_DUPFD}, {"GETFD", F_GETFD},   {"SETFD", F_SETFD},
	{"GETFL", F_GETFL}, {"SETFL", F_SETFL},   {"DUPFD_CLOEXEC", F_DUPFD_CLOEXEC},
	{"UNKNOWN", 9999},  {NULL, 0},
};
static const struct name epoll_bits[] = {
	{"IN", EPOLLIN},   {"OUT", EPOLLOUT}, {"ERR", (long)EPOLLERR},  {"HUP", EPOLLHUP},
	{"ET", EPOLLET},   {"RDHUP", EPOLLRDHUP}, {"ONESHOT", EPOLLONESHOT}, {NULL, 0},
};
static const struct name epoll_ops[] = {
	{"ADD", EPOLL_CTL_ADD}, {"MOD", EPOLL_CTL_MOD}, {"DEL", EPOLL_CTL_DEL}, {NULL, 0},
};
static const struct name errors[] = {
	{"ENOENT", ENOENT}, {"EBADF", EBADF},   {"ENOMEM", ENOMEM}, {"EINVAL", EINVAL},
	{"EMFILE", EMFILE}, {"EPIPE", EPIPE},   {"EAGAIN", EAGAIN}, {"EEXIST", EEXIST},
	{"ENXIO", ENXIO},   {"EPERM", EPERM},   {"EINTR", EINTR},   {"ESPIPE", ESPIPE},
	{NULL, 0},
};

/* One answer under construction. */
struct answer {
	char *text;
	size_t length;
};

static void answer_ok(struct answer *to, long value)
{
	to->length = (size_t)sprintf(to->text, "ok %ld", value);
}

static void answer_error(struct answer *to, int error)
{
	const struct name *n = errors;

	while (n->text != NULL && n->value != error)
		n++;
	if (n->text != NULL)
		to->length = (size_t)sprintf(to->text, "err %s", n->text);
	else
		to->length = (size_t)sprintf(to->text, "err errno%d", error);
}

static void answer_result(struct answer *to, long result)
{
	if (result < 0)
		answer_error(to, errno);
	else
		answer_ok(to, result);
}

static void answer_hex(struct answer *to, const unsigned char *bytes, size_t count)
{
	to->text[to->length++] = ' ';
	for (size_t i = 0; i < count; i++)
		to->length += (size_t)sprintf(to->text + to->length, "%02x", bytes[i]);
}

static _Noreturn void die(const char *why, const char *what)
{
	fprintf(stderr, "oracle: %s: %s\n", why, what);
	exit(2);
}

/* "A,B" to A|B of the table; "-" is nothing. */
static long bits_of(const struct name *table, const char *text)
{
	char copy[256];
	char *save = NULL;
	long bits = 0;

	if (strcmp(text, "-") == 0)
		return 0;
	snprintf(copy, sizeof copy, "%s", text);
	for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		const struct name *n = table;
		while (n->text != NULL && strcmp(n->text, part) != 0)
			n++;
		if (n->text == NULL)
			die("unknown name", part);
		bits |= n->value;
	}
	return bits;
}

static void answer_names(struct answer *to, const struct name *table, long bits)
{
	const char *separator = "";

	for (const struct name *n = table; n->text != NULL; n++) {
		if ((bits & n->value) != n->value)
			continue;
		to->length += (size_t)sprintf(to->text + to->length, "%s%s", separator, n->text);
		separator = ",";
	}
	if (*separator == '\0')
		to->length += (size_t)sprintf(to->text + to->length, "-");
}

static long number(char **save)
{
	const char *word = strtok_r(NULL, " ", save);

	if (word == NULL)
		die("missing argument", "number");
	return strtol(word, NULL, 10);
}

static const char *word(char **save)
{
	const char *found = strtok_r(NULL, " ", save);

	if (found == NULL)
		die("missing argument", "word");
	return found;
}

static void do_read(struct answer *to, char **save)
{
	int fd = (int)number(save);
	size_t length = (size_t)number(save);
	unsigned char *buffer = malloc(length + 1);
	long got;

	memset(buffer, UNTOUCHED, length + 1);
	got = read(fd, buffer, length);
	answer_result(to, got);
	if (got >= 0) {
		size_t i = (size_t)got;
		while (i < length && buffer[i] == UNTOUCHED)
			i++;
		answer_hex(to, buffer, (size_t)got);
		if (i < length)
			to->length += (size_t)sprintf(to->text + to->length, " touched");
	}
	free(buffer);
}

/* "hex:..." or "size:N" to bytes. */
static unsigned char *bytes_of(const char *text, size_t *count)
{
	unsigned char *bytes;

	if (strncmp(text, "size:", 5) == 0) {
		*count = (size_t)strtoul(text + 5, NULL, 10);
		bytes = malloc(*count + 1);
		memset(bytes, 'x', *count + 1);
		return bytes;
	}
	*count = strlen(text + 4) / 2;
	bytes = malloc(*count + 1);
	for (size_t i = 0; i < *count; i++) {
		unsigned int one;
		sscanf(text + 4 + 2 * i, "%2x", &one);
		bytes[i] = (unsigned char)one;
	}
	return bytes;
}

static void do_write(struct answer *to, char **save)
{
	int fd = (int)number(save);
	size_t count;
	unsigned char *bytes = bytes_of(word(save), &count);

	answer_result(to, write(fd, bytes, count));
	free(bytes);
}

static void do_fill(struct answer *to, char **save)
{
	static const char block[4096];
	int fd = (int)number(save);
	int flags = fcntl(fd, F_GETFL);
	long total = 0, put;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while ((put = write(fd, block, sizeof block)) > 0)
		total += put;
	while ((put = write(fd, block, 1)) > 0)
		total += put;
	fcntl(fd, F_SETFL, flags);
	answer_ok(to, total);
}

static void do_fcntl(struct answer *to, char **save)
{
	int fd = (int)number(save);
	int command = (int)bits_of(commands, word(save));
	const char *argument = word(save);
	long value = command == F_SETFL ? bits_of(open_flags, argument) : strtol(argument, NULL, 10);
	long result = fcntl(fd, command, value);

	answer_result(to, result);
	if (result >= 0 && command == F_GETFL) {
		to->text[to->length++] = ' ';
		answer_names(to, open_flags, result);
	}
}

static void do_ctl(struct answer *to, char **save)
{
	int ep = (int)number(save);
	int op = (int)bits_of(epoll_ops, word(save));
	int fd = (int)number(save);
	struct epoll_event event = {.events = (uint32_t)bits_of(epoll_bits, word(save))};

	event.data.fd = fd;
	answer_result(to, epoll_ctl(ep, op, fd, &event));
}

static void do_wait(struct answer *to, char **save)
{
	struct epoll_event events[EVENTS_MAX];
	int ep = (int)number(save);
	int max = (int)number(save);
	int count = epoll_wait(ep, events, max < EVENTS_MAX ? max : EVENTS_MAX, (int)number(save));

	answer_result(to, count);
	for (int i = 0; i < count; i++) {
		to->length += (size_t)sprintf(to->text + to->length, " %d:", events[i].data.fd);
		answer_names(to, epoll_bits, (long)events[i].events);
	}
}

static void do_counter(struct answer *to, char **save)
{
	char path[64], line[256];

	snprintf(path, sizeof path, "/proc/self/fdinfo/%ld", number(save));
	FILE *info = fopen(path, "r");
	answer_error(to, EBADF);
	if (info == NULL)
		return;
	while (fgets(line, sizeof line, info) != NULL) {
		unsigned long long count;
		if (sscanf(line, "eventfd-count: %llx", &count) == 1)
			to->length = (size_t)sprintf(to->text, "ok %llu", count);
	}
	fclose(info);
}

static void do_pipe(struct answer *to, char **save)
{
	int fds[2];
	int result = pipe2(fds, (int)bits_of(open_flags, word(save)));

	answer_result(to, result);
	if (result == 0)
		to->length += (size_t)sprintf(to->text + to->length, " %d %d", fds[0], fds[1]);
}

static void do_pending(struct answer *to, char **save)
{
	int count = 0;
	int result = ioctl((int)number(save), FIONREAD, &count);

	answer_result(to, result < 0 ? result : count);
}

/* Calls without a helper of their own. */
static int perform_simple(const char *call, struct answer *to, char **save)
{
	if (strcmp(call, "eventfd") == 0) {
		unsigned int initial = (unsigned int)strtoul(word(save), NULL, 10);
		answer_result(to, eventfd(initial, (int)bits_of(eventfd_flags, word(save))));
	} else if (strcmp(call, "close") == 0) {
		answer_result(to, close((int)number(save)));
	} else if (strcmp(call, "dup") == 0) {
		answer_result(to, dup((int)number(save)));
	} else if (strcmp(call, "dup2") == 0) {
		int from = (int)number(save);
		answer_result(to, dup2(from, (int)number(save)));
	} else if (strcmp(call, "dup3") == 0) {
		int from = (int)number(save);
		int onto = (int)number(save);
		answer_result(to, dup3(from, onto, (int)bits_of(open_flags, word(save))));
	} else if (strcmp(call, "epoll") == 0) {
		answer_result(to, epoll_create1(0));
	} else if (strcmp(call, "capacity") == 0) {
		answer_result(to, fcntl((int)number(save), F_GETPIPE_SZ));
	} else {
		return 0;
	}
	return 1;
}

static void perform(char *line, struct answer *to)
{
	static const struct {
		const char *call;
		void (*handler)(struct answer *, char **);
	} table[] = {
		{"read", do_read},       {"write", do_write},     {"fill", do_fill},
		{"fcntl", do_fcntl},     {"ctl", do_ctl},         {"wait", do_wait},
		{"counter", do_counter}, {"pipe", do_pipe},       {"pending", do_pending},
	};
	char *save = NULL;
	const char *call = strtok_r(line, " ", &save);

	if (call == NULL)
		die("empty request", "");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(table[i].call, call) == 0) {
			table[i].handler(to, &save);
			return;
		}
	}
	if (!perform_simple(call, to, &save))
		die("unknown request", call);
}

/* A request that runs in a thread of its own. */
struct runner {
	char tag[32];
	char *line;
	struct answer answer;
	pthread_t thread;
	atomic_int tid;  /* 0 until the thread is about to perform */
	atomic_int done; /* set when the answer is complete */
};

static struct runner runners[THREADS_MAX];

static void *run(void *argument)
{
	struct runner *r = argument;

	atomic_store(&r->tid, (int)syscall(SYS_gettid));
	perform(r->line, &r->answer);
	r->answer.text[r->answer.length] = '\0';
	atomic_store(&r->done, 1);
	return NULL;
}

static struct runner *runner_of(const char *tag)
{
	for (int i = 0; i < THREADS_MAX; i++)
		if (strcmp(runners[i].tag, tag) == 0)
			return &runners[i];
	die("unknown tag", tag);
}

static char state_of(int tid)
{
	char path[64], text[512];
	const char *close_bracket;
	size_t count;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	FILE *stat = fopen(path, "r");
	if (stat == NULL)
		return '?';
	count = fread(text, 1, sizeof text - 1, stat);
	fclose(stat);
	text[count] = '\0';
	close_bracket = strrchr(text, ')');
	return close_bracket == NULL ? '?' : close_bracket[2];
}

static int asleep(struct runner *r)
{
	int tid = atomic_load(&r->tid);

	return tid != 0 && state_of(tid) == 'S' && !atomic_load(&r->done);
}

/* A thread may be between two sleeps just now: look until it sleeps or is done. */
static int falls_asleep(struct runner *r)
{
	for (int i = 0; i < SLEEP_CHECKS_MAX; i++, usleep(1000)) {
		if (atomic_load(&r->done))
			return 0;
		if (asleep(r))
			return 1;
	}
	return 0;
}

static void begin(char *line, struct answer *to)
{
	char *save = NULL;
	const char *tag = strtok_r(line, " ", &save);
	struct runner *r = runners;

	while (r < runners + THREADS_MAX && r->tag[0] != '\0')
		r++;
	if (r == runners + THREADS_MAX)
		die("too many threads", tag);
	snprintf(r->tag, sizeof r->tag, "%s", tag);
	r->line = strdup(save);
	r->answer.text = malloc(LINE_MAX_BYTES);
	atomic_store(&r->tid, 0);
	atomic_store(&r->done, 0);
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		die("pthread_create", tag);
	answer_ok(to, falls_asleep(r));
}

static void finish(struct runner *r, struct answer *to)
{
	pthread_join(r->thread, NULL);
	to->length = (size_t)sprintf(to->text, "%s", r->answer.text);
	free(r->line);
	free(r->answer.text);
	r->tag[0] = '\0';
}

/* The first of the tags that is done: its name, then its answer. */
static void race(char *line, struct answer *to)
{
	char *save = NULL;
	struct runner *in_race[THREADS_MAX];
	int count = 0;

	for (char *tag = strtok_r(line, " ", &save); tag; tag = strtok_r(NULL, " ", &save))
		in_race[count++] = runner_of(tag);
	for (int i = 0; i < SLEEP_CHECKS_MAX; i++, usleep(1000)) {
		for (int k = 0; k < count; k++) {
			if (!atomic_load(&in_race[k]->done))
				continue;
			to->length = (size_t)sprintf(to->text, "%s ", in_race[k]->tag);
			to->text += to->length;
			finish(in_race[k], to);
			return;
		}
	}
	answer_error(to, ETIMEDOUT);
}

int main(void)
{
	char *line = malloc(LINE_MAX_BYTES);
	char *text = malloc(LINE_MAX_BYTES);

	signal(SIGPIPE, SIG_IGN);
	while (fgets(line, LINE_MAX_BYTES, stdin) != NULL) {
		struct answer to = {text, 0};
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "begin ", 6) == 0)
			begin(line + 6, &to);
		else if (strncmp(line, "asleep ", 7) == 0)
			answer_ok(&to, falls_asleep(runner_of(line + 7)));
		else if (strncmp(line, "end ", 4) == 0)
			finish(runner_of(line + 4), &to);
		else if (strncmp(line, "race ", 5) == 0)
			race(line + 5, &to);
		else
			perform(line, &to);
		to.text[to.length] = '\0';
		puts(text);
		fflush(stdout);
	}
	return 0;
}
