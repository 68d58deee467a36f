/* SPDX-License-Identifier: MIT */
/*
 * `arun ps` trusts nothing that it reads. Here it reads this process, which has an object of most
 * kinds, by way of an input that lies: each read may find other bytes than there are, the same ones
 * from then on. Whatever comes of it ends soon and can be printed: text without control characters,
 * and JSON.
 *
 * A lie is a skip (two bytes: so many reads are true), a place in what is read, a kind, and for some
 * kinds a number.
 */
#include "run.h"

#include "../../cli/print.h"
#include "../../cli/remote.h"
#include "../../cli/unwind.h"
#include "../../runtime/loop.h"
#include "clean.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LIES = 64, PAST = 64, WORD = 8, SKIP_MOST = 1024 };

/* Seconds of CPU that a look may take; an instrumented one, too. */
#define LONGEST 5.0

struct lie {
	uint64_t address, number;
	size_t size; /* of it; 0: cannot be read */
};

static struct {
	struct fuzz_script script;
	bool lying;
	unsigned skip; /* reads before the next lie */
	struct lie lies[LIES];
	size_t count;
	uint64_t past[PAST]; /* addresses that were read: to lead back to */
	size_t reads;
	double slept; /* by the reader: it takes no time here */
} world;

/* Lies */

static void next_skip(void) {
	world.skip = fuzz_byte(&world.script);
	world.skip = (world.skip << 8 | fuzz_byte(&world.script)) % SKIP_MOST;
}

static uint64_t long_number(void) {
	uint64_t number = 0;
	for (int i = 0; i < WORD; i++) {
		number = number << 8 | fuzz_byte(&world.script);
	}
	return number;
}

/* Of the word that is there. */
static uint64_t make_number(unsigned kind, uint64_t word) {
	switch (kind) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return long_number();
	case 3:
		return world.past[fuzz_number(&world.script) % PAST];
	case 4:
		return word + WORD;
	case 5:
		return word ^ 1ULL << fuzz_number(&world.script) % 64;
	default:
		return fuzz_number(&world.script);
	}
}

static void make_lie(uint64_t address, const uint8_t *bytes, size_t size) {
	struct lie *lie = &world.lies[world.count++];
	size_t place = (size_t)fuzz_byte(&world.script) * WORD;
	unsigned kind = fuzz_number(&world.script) % 8;
	place = size > WORD ? place % (size - WORD + 1) : 0;
	lie->size = kind == 7 ? 0 : size - place < WORD ? size - place : WORD;
	lie->address = address + place;
	uint64_t word = 0;
	memcpy(&word, bytes + place, lie->size);
	lie->number = make_number(kind, word);
	next_skip();
}

/* Puts a lie in the place of what is there. False: that cannot be read. */
static bool tell(const struct lie *lie, uint64_t address, uint8_t *bytes, size_t size) {
	if (!lie->size) {
		return lie->address < address || lie->address - address >= size;
	}
	const uint8_t *number = (const uint8_t *)&lie->number;
	for (size_t i = 0; i < lie->size; i++) {
		if (lie->address + i - address < size) {
			bytes[lie->address + i - address] = number[i];
		}
	}
	return true;
}

static bool tell_all(uint64_t address, uint8_t *bytes, size_t size) {
	bool readable = true;
	world.past[world.reads++ % PAST] = address;
	if (world.skip) {
		world.skip--;
	} else if (world.count < LIES && world.script.next < world.script.end) {
		make_lie(address, bytes, size);
	}
	for (size_t i = 0; i < world.count; i++) {
		readable &= tell(&world.lies[i], address, bytes, size);
	}
	return readable;
}

/* In place of the system's (ld --wrap) */

ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *local,
	unsigned long locals, const struct iovec *there, unsigned long theirs,
	unsigned long flags);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
double __wrap_arun_now(void);

ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *local,
	unsigned long locals, const struct iovec *there, unsigned long theirs,
	unsigned long flags) {
	ssize_t n =
		syscall(SYS_process_vm_readv, pid, local, locals, there, theirs, flags);
	size_t whole = 0;
	for (unsigned long i = 0; i < theirs; i++) {
		whole += there[i].iov_len;
	}
	if (!world.lying || n != (ssize_t)whole) {
		return n;
	}
	for (unsigned long i = 0; i < theirs; i++) {
		if (!tell_all((uint64_t)(uintptr_t)there[i].iov_base, local[i].iov_base,
			    there[i].iov_len)) {
			errno = EFAULT;
			return -1;
		}
	}
	return n;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest) {
	(void)rest;
	world.slept += (double)time->tv_sec + (double)time->tv_nsec * 1e-9;
	return 0;
}

/* As without a run, which arun ps is. */
double __wrap_arun_now(void) {
	return loop_clock() + world.slept;
}

/* The stacks are libdw's. */
void unwind_tasks(struct dump *dump, const struct remote *remote,
	const struct fields *fields, uint64_t own) {
	(void)dump, (void)remote, (void)fields, (void)own;
}

/* What is printed */

static char *printed(
	void (*print)(FILE *, const struct dump *), const struct dump *dump) {
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	fuzz_check(out, "no memory");
	print(out, dump);
	fclose(out);
	fuzz_check(strlen(text) == size, "a zero byte");
	return text;
}

static void check_lines(char *text) {
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		fuzz_check(clean_text(line), "%s", line);
	}
	free(text);
}

static void check_json(char *text) {
	size_t length = strlen(text);
	fuzz_check(length && text[length - 1] == '\n', "%s", text);
	text[length - 1] = '\0';
	fuzz_check(clean_text(text) && clean_json_value(text), "%s", text);
	free(text);
}

static double cpu_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void look(void) {
	struct remote remote;
	struct dump dump = {.count = 0};
	double begin = cpu_seconds();
	fuzz_check(remote_open(&remote, getpid()) == 0, "%s", remote.error);
	world.lying = true;
	int result = dump_read(&dump, &remote);
	world.lying = false;
	if (result < 0) {
		struct line line = {.length = 0};
		line_string(&line, remote.error);
		fuzz_check(world.count && clean_text(line.text), "%s", line.text);
	} else {
		fuzz_check(world.count || (dump.count >= 8 && !dump.incomplete),
			"%zu objects", dump.count);
		check_lines(printed(print_tasks, &dump));
		check_lines(printed(print_tree, &dump));
		check_json(printed(print_json, &dump));
	}
	dump_finish(&dump);
	remote_close(&remote);
	fuzz_check(cpu_seconds() - begin < LONGEST, "%g s", cpu_seconds() - begin);
}

/* What there is to see */

static int wait_for(void *event) {
	return arun_event_wait(event);
}

static int choose(void *arg) {
	arun_chan **chans = arg;
	char item;
	arun_chan_case cases[] = {{.chan = chans[0], .recv = &item}, {.recv = &item},
		{.chan = chans[1], .recv = &item}};
	return arun_chan_select(cases, 3);
}

static int count_up(void *arg) {
	static int item;
	(void)arg;
	while (arun_gen_yield(&item) == 0) {
		item++;
	}
	return 0;
}

static void tick(void *arg) {
	(void)arg;
}

static int body(int argc, char **argv) {
	arun_event event = ARUN_EVENT_INIT;
	int fds[2];
	(void)argc, (void)argv;
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
		"no socket");
	arun_task *task = arun_spawn(wait_for, &event);
	arun_conn *conn = arun_open_fd(fds[0]);
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	arun_timer *timer = arun_timer_start(10, 10, tick, NULL);
	arun_gen *gen = arun_gen_new(count_up, NULL);
	arun_chan *chans[] = {arun_chan_new(1, 1), arun_chan_new(0, 1)};
	arun_task *chooser = arun_spawn(choose, chans);
	arun_udp *udp = arun_udp_open("udp:127.0.0.1:0");
	fuzz_check(task && conn && server && timer && gen && chooser && udp, "%s",
		arun_why());
	{
		ARUN_GROUP(group);
		arun_group_spawn(group, wait_for, &event);
		fuzz_check(arun_gen_next(gen) && arun_sleep(0) == 0, "%s", arun_why());
		look();
		arun_event_set(&event);
	}
	arun_join(task, NULL);
	arun_chan_send(chans[1], "");
	arun_join(chooser, NULL);
	arun_abort(conn);
	close(fds[1]);
	arun_server_close(server);
	arun_timer_stop(timer);
	arun_gen_close(gen);
	arun_chan_free(chans[0]);
	arun_chan_free(chans[1]);
	arun_udp_close(udp);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&world, 0, sizeof world);
	world.script = (struct fuzz_script){data, data + size};
	next_skip();
	fuzz_run(body);
	return 0;
}
