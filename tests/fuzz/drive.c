/* SPDX-License-Identifier: MIT */
/*
 * drive - runs a harness without a fuzzer: on each of its seeds, then on mutations of them.
 *
 *	fuzz-X [-n MUTATIONS] [-s SEED] FILE-OR-FOLDER...
 *
 * It speaks TAP. The inputs are tried in a child, so that one that crashes it, or takes longer than
 * LIMIT, can be told of: it is kept in a file "crash-X-...", to be tried alone (-n 0). Everything is
 * the same on each run, and each mutation is its number's: -n may be changed.
 */
#include "fuzz.h"
#include "mutate.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT_MOST = 1 << 17, SEEDS_MOST = 256, PATH_SIZE = 512, LIMIT = 30 };

struct seed {
	char *path;
	uint8_t *bytes;
	size_t size;
};

/* What the child lets the parent see. */
struct shared {
	size_t done; /* inputs that held */
	size_t size; /* of the one under way */
	uint8_t bytes[INPUT_MOST];
};

struct drive {
	const char *name;
	struct seed seeds[SEEDS_MOST];
	size_t seed_count, mutations;
	uint64_t random_seed;
	struct shared *shared;
	size_t cases, failures; /* of TAP */
};

static _Noreturn void give_up(const char *what) {
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Seeds */

static void add_file(struct drive *drive, const char *path) {
	FILE *file = fopen(path, "re");
	if (!file || drive->seed_count == SEEDS_MOST) {
		give_up(path);
	}
	struct seed *seed = &drive->seeds[drive->seed_count++];
	seed->path = strdup(path);
	seed->bytes = malloc(INPUT_MOST);
	if (!seed->path || !seed->bytes) {
		give_up(path);
	}
	seed->size = fread(seed->bytes, 1, INPUT_MOST, file);
	fclose(file);
}

static int is_visible(const struct dirent *entry) {
	return entry->d_name[0] != '.';
}

static void add_path(struct drive *drive, const char *path) {
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);
	if (count < 0) {
		add_file(drive, path);
		return;
	}
	for (int i = 0; i < count; i++) {
		char file[PATH_SIZE];
		snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
		add_file(drive, file);
		free(entries[i]);
	}
	free(entries);
}

/* The child */

/* Seeds come first, each as it is. Returns the size of the input of that number. */
static size_t make_input(const struct drive *drive, size_t number, uint8_t *bytes) {
	struct mutate_random random;
	bool as_it_is = number < drive->seed_count;
	mutate_seed(&random, drive->random_seed, number - drive->seed_count);
	size_t first = mutate_below(&random, drive->seed_count);
	const struct seed *seed = &drive->seeds[as_it_is ? number : first];
	const struct seed *other =
		&drive->seeds[mutate_below(&random, drive->seed_count)];
	memcpy(bytes, seed->bytes, seed->size);
	return as_it_is ? seed->size
			: mutate(&random, bytes, seed->size, INPUT_MOST,
				  (struct mutate_input){other->bytes, other->size});
}

static void run_inputs(const struct drive *drive) {
	struct shared *shared = drive->shared;
	while (shared->done < drive->seed_count + drive->mutations) {
		shared->size = make_input(drive, shared->done, shared->bytes);
		/* Of its exact size: a sanitizer sees who reads past its end. */
		uint8_t *copy = malloc(shared->size + !shared->size);
		if (!copy) {
			give_up("malloc");
		}
		memcpy(copy, shared->bytes, shared->size);
		LLVMFuzzerTestOneInput(copy, shared->size);
		free(copy);
		shared->done++;
	}
}

/* The parent */

/* Waits until the child has closed its end of the pipe. False: an input took too long. */
static bool wait_for_end(const struct drive *drive, int pipe) {
	struct pollfd wait = {.fd = pipe, .events = POLLIN};
	size_t before;
	do {
		before = drive->shared->done;
		if (poll(&wait, 1, LIMIT * 1000) > 0) {
			return true;
		}
	} while (drive->shared->done != before);
	return false;
}

/* Runs what is left in a child, its stderr going to said. Returns how that ended, as wait(2) has it. */
static int run_child(const struct drive *drive, FILE *said) {
	int fds[2], status;
	fflush(stdout);
	if (pipe(fds) < 0) {
		give_up("pipe");
	}
	pid_t child = fork();
	if (child < 0) {
		give_up("fork");
	}
	if (child == 0) {
		dup2(fileno(said), STDERR_FILENO);
		run_inputs(drive);
		exit(EXIT_SUCCESS); /* where a sanitizer looks for leaks */
	}
	close(fds[1]);
	if (!wait_for_end(drive, fds[0])) {
		fprintf(said, "takes longer than %d s\n", LIMIT);
		kill(child, SIGABRT);
	}
	close(fds[0]);
	waitpid(child, &status, 0);
	return status;
}

static void print_case(struct drive *drive, bool good, const char *what, size_t count) {
	drive->cases++;
	drive->failures += !good;
	printf("%sok %zu - ", good ? "" : "not ", drive->cases);
	if (what) {
		const char *folder = strrchr(what, '/');
		printf("%s\n", folder ? folder + 1 : what);
	} else {
		printf("%zu mutations (seed %llu)\n", count,
			(unsigned long long)drive->random_seed);
	}
}

static void print_said(FILE *said) {
	char line[1024];
	rewind(said);
	while (fgets(line, sizeof line, said)) {
		line[strcspn(line, "\n")] = '\0';
		for (char *at = line; *at; at++) {
			*at = *at < ' ' || *at > '~' ? '?' : *at;
		}
		printf("# %s\n", line);
	}
	rewind(said);
	if (ftruncate(fileno(said), 0) < 0) {
		give_up("ftruncate");
	}
}

/* Keeps the input that the child has not come back from. */
static void keep_input(const struct drive *drive) {
	char path[PATH_SIZE];
	const struct shared *shared = drive->shared;
	snprintf(path, sizeof path, "crash-%s-%zu", drive->name, shared->done);
	FILE *file = fopen(path, "we");
	if (file) {
		fwrite(shared->bytes, 1, shared->size, file);
		fclose(file);
		printf("# to try it alone: -n 0 %s\n", path);
	}
}

/* What has been tried since told, and whether the last one broke. Returns how many are told of. */
static size_t print_tried(struct drive *drive, size_t told, bool broken) {
	size_t done = drive->shared->done;
	for (; told < done && told < drive->seed_count; told++) {
		print_case(drive, true, drive->seeds[told].path, 0);
	}
	if (done >= drive->seed_count) {
		print_case(drive, !broken, NULL, done - drive->seed_count);
	} else if (broken) {
		print_case(drive, false, drive->seeds[done].path, 0);
	}
	return done + 1;
}

/* Runs the seeds and the mutations; a seed that fails keeps none of the others from being tried. */
static void run(struct drive *drive) {
	FILE *said = tmpfile();
	if (!said) {
		give_up("tmpfile");
	}
	for (size_t told = 0; told <= drive->seed_count;) {
		bool broken = run_child(drive, said) != 0;
		told = print_tried(drive, told, broken);
		if (broken) {
			print_said(said);
			keep_input(drive);
			drive->shared->done++;
		}
	}
	fclose(said);
}

int main(int argc, char **argv) {
	static struct drive drive = {.mutations = 1000, .random_seed = 1};
	const char *slash = strrchr(argv[0], '/');
	drive.name = slash ? slash + 1 : argv[0];
	for (int option; (option = getopt(argc, argv, "n:s:")) != -1;) {
		if (option == '?') {
			return EXIT_FAILURE;
		}
		unsigned long long number = strtoull(optarg, NULL, 10);
		if (option == 'n') {
			drive.mutations = (size_t)number;
		} else {
			drive.random_seed = number;
		}
	}
	for (int i = optind; i < argc; i++) {
		add_path(&drive, argv[i]);
	}
	drive.shared = mmap(NULL, sizeof *drive.shared, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (drive.shared == MAP_FAILED || !drive.seed_count) {
		give_up("no seeds");
	}
	run(&drive);
	printf("1..%zu\n", drive.cases);
	return drive.failures != 0;
}
