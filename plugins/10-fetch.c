/* SPDX-License-Identifier: MIT */
/*
 * 10. A library that has no adapter: libcurl's multi interface.
 *
 *	cc -shared -fPIC -o fetch.so 10-fetch.c $(pkg-config --cflags arun) -lcurl
 *	arun ./fetch.so http://127.0.0.1:8080/plain http://127.0.0.1:8080/count
 *
 * libcurl says which descriptors it waits for, and until when: an ev_io for each of the
 * former, an arun_timer for the latter. When a transfer is over, the event is set that
 * the task which asked for it waits for.
 */
#include <arun.h>
#include <curl/curl.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>

struct web {
	CURLM *multi;
	arun_timer *timer;
};

struct page {
	struct web *web;
	const char *url;
	arun_event done;
	CURLcode result;
	long status;
	size_t length;
};

/* Those that are over. */
static void collect(struct web *web) {
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(web->multi, &left))) {
		struct page *page;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&page);
		page->result = message->data.result;
		arun_event_set(&page->done);
	}
}

static void on_fd(struct ev_loop *loop, ev_io *watcher, int events) {
	struct web *web = watcher->data;
	int running;
	(void)loop;
	curl_multi_socket_action(web->multi, watcher->fd,
		(events & EV_READ ? CURL_CSELECT_IN : 0) |
			(events & EV_WRITE ? CURL_CSELECT_OUT : 0),
		&running);
	collect(web);
}

/* libcurl wants to know when fd is ready for what. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *data) {
	struct web *web = arg;
	ev_io *watcher = data;
	(void)easy;
	if (watcher) {
		ev_io_stop(arun_loop(), watcher);
	}
	if (what == CURL_POLL_REMOVE) {
		free(watcher);
		return 0;
	}
	if (!watcher && !(watcher = malloc(sizeof *watcher))) {
		return -1;
	}
	ev_io_init(watcher, on_fd, fd,
		(what & CURL_POLL_IN ? EV_READ : 0) |
			(what & CURL_POLL_OUT ? EV_WRITE : 0));
	watcher->data = web;
	ev_io_start(arun_loop(), watcher);
	curl_multi_assign(web->multi, fd, watcher);
	return 0;
}

static void on_time(void *arg) {
	struct web *web = arg;
	int running;
	arun_timer_stop(web->timer);
	web->timer = NULL;
	curl_multi_socket_action(web->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(web);
}

/* libcurl wants to be called in so many milliseconds; -1: no more. */
static int on_timer(CURLM *multi, long after, void *arg) {
	struct web *web = arg;
	(void)multi;
	arun_timer_stop(web->timer); /* takes NULL */
	web->timer =
		after < 0 ? NULL : arun_timer_start((double)after / 1e3, 0, on_time, web);
	return after >= 0 && !web->timer ? -1 : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
	struct page *page = arg;
	(void)bytes;
	page->length += size * count;
	return size * count;
}

static int fetch(void *arg) {
	struct page *page = arg;
	CURL *easy = curl_easy_init();
	if (!easy) {
		errno = ENOMEM;
		return -1;
	}
	curl_easy_setopt(easy, CURLOPT_URL, page->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, page);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, page);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_multi_add_handle(page->web->multi, easy);
	int result = arun_event_wait(&page->done);
	curl_multi_remove_handle(page->web->multi, easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &page->status);
	curl_easy_cleanup(easy);
	return result; /* cancelled, or 0: also where page->result is an error */
}

static int fetch_all(int argc, char **argv) {
	struct web web = {.multi = curl_multi_init()};
	struct page *pages = calloc((size_t)argc, sizeof *pages);
	int result = web.multi && pages ? 0 : -1;
	curl_multi_setopt(web.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(web.multi, CURLMOPT_SOCKETDATA, &web);
	curl_multi_setopt(web.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(web.multi, CURLMOPT_TIMERDATA, &web);
	{
		ARUN_GROUP(group);
		for (int i = 1; result == 0 && i < argc; i++) {
			pages[i] = (struct page){.web = &web, .url = argv[i]};
			result = arun_group_spawn(group, fetch, &pages[i]);
		}
		result = result < 0 ? -1 : arun_group_wait(group);
	}
	for (int i = 1; result == 0 && i < argc; i++) {
		printf("%s: %ld, %zu bytes%s%s\n", pages[i].url, pages[i].status,
			pages[i].length, pages[i].result ? ": " : "",
			pages[i].result ? curl_easy_strerror(pages[i].result) : "");
	}
	curl_multi_cleanup(web.multi);
	arun_timer_stop(web.timer);
	free(pages);
	return result;
}
ARUN_MAIN(fetch_all, .name = "fetch", .about = "fetches every URL at once")
