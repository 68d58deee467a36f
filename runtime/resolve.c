/* SPDX-License-Identifier: MIT */
#include "resolve.h"

#include "pool.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the thread works with; an orphan's is freed by the pool. */
struct lookup {
	const char *host, *service; /* NULL, or into text */
	struct addrinfo *list;
	char text[NI_MAXHOST + NI_MAXSERV];
};

static int lookup_flags(
	const char *host, const char *service, int flags, struct addrinfo **list) {
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
	*list = NULL;
	return getaddrinfo(host, service, &hints, list);
}

/* To getaddrinfo(3) a file or a socket that it cannot open is as if there were none. */
static int lookup_why(int eai) {
	int fd = eai == EAI_SYSTEM ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		close(fd);
	} else if (errno == EMFILE || errno == ENFILE) {
		return EAI_SYSTEM;
	}
	return eai;
}

/*
 * On a thread. AI_ADDRCONFIG would refuse "::1" where no interface has an address of that
 * family but the loopback, so literal addresses are tried without.
 */
static int lookup_run(void *arg) {
	struct lookup *lookup = arg;
	int eai = EAI_NONAME;
	if (lookup->host) {
		eai = lookup_flags(
			lookup->host, lookup->service, AI_NUMERICHOST, &lookup->list);
	}
	if (eai == EAI_NONAME) {
		eai = lookup_flags(
			lookup->host, lookup->service, AI_ADDRCONFIG, &lookup->list);
	}
	return eai ? lookup_why(eai) : 0;
}

static void lookup_free(void *arg) {
	struct lookup *lookup = arg;
	if (lookup->list) {
		freeaddrinfo(lookup->list);
	}
	free(lookup);
}

static struct lookup *lookup_create(const char *host, const char *service) {
	struct lookup *lookup = calloc(1, sizeof *lookup);
	if (!lookup) {
		return NULL;
	}
	char *at = lookup->text;
	if (host) {
		lookup->host = strcpy(at, host);
		at += strlen(host) + 1;
	}
	if (service) {
		lookup->service = strcpy(at, service);
	}
	return lookup;
}

static int resolve_errno(int eai, int error) {
	switch (eai) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return ENOENT;
	case EAI_AGAIN:
		return EAGAIN;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_SERVICE:
		return EINVAL;
	case EAI_SYSTEM:
		return error ? error : EIO;
	default:
		return EIO;
	}
}

static int resolve_fail(struct arun_task *self, const char *host, int eai, int error) {
	const char *words = eai == EAI_SYSTEM ? NULL : gai_strerror(eai);
	return task_fail_words(resolve_errno(eai, error), self->op, host, words);
}

static bool resolve_fits(const char *text, size_t size) {
	return !text || strlen(text) < size;
}

/* getaddrinfo(3) takes 65536 for port 0. */
static bool resolve_is_port(const char *service) {
	return strspn(service, "0123456789") != strlen(service) ||
	       strtoul(service, NULL, 10) <= UINT16_MAX;
}

int resolve_host(struct arun_task *self, const char *host, const char *service,
	struct addrinfo **out) {
	if (service && !resolve_is_port(service)) {
		return task_fail_words(EINVAL, self->op, host,
			"service is no port: ports are 0 to 65535");
	}
	/* Without either there is nothing that getaddrinfo(3) would look up. */
	service = host || service ? service : "0";
	if (!resolve_fits(host, NI_MAXHOST) || !resolve_fits(service, NI_MAXSERV)) {
		return task_fail_words(EINVAL, self->op, host,
			"the name of the host or service is too long");
	}
	if (lookup_flags(host, service, AI_NUMERICHOST | AI_NUMERICSERV, out) == 0) {
		return 0;
	}
	struct lookup *lookup = lookup_create(host, service);
	if (!lookup) {
		return task_fail(ENOMEM, self->op, host);
	}
	int eai = 0;
	struct pool_request request = {.lane = POOL_LOOKUPS,
		.fn = lookup_run,
		.arg = lookup,
		.release = lookup_free};
	int error = pool_call(self, &request, &eai);
	if (error) {
		return task_fail_words(
			error, self->op, host, error == EAGAIN ? POOL_NO_THREAD : NULL);
	}
	int system = errno;
	*out = lookup->list;
	free(lookup);
	return eai ? resolve_fail(self, host, eai, system) : 0;
}

int(arun_resolve)(const char *host, const char *service, struct addrinfo **list) {
	return arun_resolve_at(NULL, host, service, list);
}

int arun_resolve_at(const struct arun_site *site, const char *host, const char *service,
	struct addrinfo **list) {
	struct arun_task *self = task_enter(site, "arun_resolve");
	int before = errno, error = task_interrupted(sched_current, self);
	int result = error ? task_fail(error, self->op, host)
			   : resolve_host(self, host, service, list);
	errno = result < 0 ? errno : before;
	return result;
}
