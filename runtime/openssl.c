/* SPDX-License-Identifier: MIT */
#include "openssl.h"

#include "base.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Of the version whose headers this was built with. */
static const char library[] = "libssl.so.3";

/* SSL_R_RECORD_LAYER_FAILURE of OpenSSL 3.2 and later: what has failed was said before. */
enum { RECORD_LAYER_FAILURE = 313 };

struct function {
	const char *name;
	size_t offset;
};

static const struct function functions[] = {
#define OPENSSL_FUNCTION(name) {#name, offsetof(struct openssl, name)},
	OPENSSL_FUNCTIONS(OPENSSL_FUNCTION)
#undef OPENSSL_FUNCTION
};

/* The dynamic linker tells errno in its words alone. */
static int openssl_missing_errno(const char *reason) {
	static const int scarce[] = {EMFILE, ENFILE, ENOMEM};
	for (size_t i = 0; i < count_of(scarce); i++) {
		if (strstr(reason, strerror(scarce[i]))) {
			return scarce[i];
		}
	}
	return EOPNOTSUPP;
}

static int openssl_missing(struct text *words) {
	const char *reason = dlerror();
	reason = reason ? reason : library;
	text_add(words, "%s", reason);
	errno = openssl_missing_errno(reason);
	return -1;
}

int openssl_load(struct openssl *out, struct text *words) {
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		return openssl_missing(words);
	}
	for (size_t i = 0; i < count_of(functions); i++) {
		void *address = dlsym(handle, functions[i].name);
		if (!address) {
			return openssl_missing(words);
		}
		memcpy((char *)out + functions[i].offset, &address, sizeof address);
	}
	return 0;
}

void openssl_words(const struct openssl *openssl, struct text *out) {
	unsigned long error = openssl->ERR_peek_last_error();
	if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
		ERR_GET_REASON(error) == RECORD_LAYER_FAILURE) {
		error = openssl->ERR_peek_error();
	}
	const char *reason = openssl->ERR_reason_error_string(error);
	if (reason) {
		text_add(out, "%s", reason);
	} else {
		text_add(out, error ? "OpenSSL's error %lx" : "it ended early", error);
	}
}

int openssl_errno(const struct openssl *openssl) {
	unsigned long error = openssl->ERR_peek_error();
	int reason = ERR_GET_REASON(error);
	return ERR_SYSTEM_ERROR(error)          ? reason
	       : reason == ERR_R_MALLOC_FAILURE ? ENOMEM
						: 0;
}

int openssl_unopened(void) {
	int fd = open("/", O_PATH | O_CLOEXEC);
	return fd < 0 || close(fd) < 0 ? errno : 0;
}

int openssl_unverified(const struct openssl *openssl, long result) {
	int error = openssl_errno(openssl);
	switch (result) {
	case X509_V_OK:
		return 0;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return error ? error : openssl_unopened();
	default:
		return error;
	}
}
