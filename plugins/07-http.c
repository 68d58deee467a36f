/* SPDX-License-Identifier: MIT */
/*
 * 7. A service: HTTP/1.1.
 *
 *	cc -shared -fPIC -o http.so 07-http.c $(pkg-config --cflags arun) -lhttp_parser
 *	arun ./http.so 127.0.0.1:8080
 *	curl -i http://127.0.0.1:8080/plain
 *
 * A connection is a loop: read a request, answer it. Requests that come before they are
 * asked for (pipelining) need nothing: they wait in the connection's buffer. A library
 * takes heads apart; where lines and bodies end is checked here, without mercy, as two
 * programs that disagree about that are how requests are smuggled past one of them.
 * Everything has a bound: a head, a body, the time for each, a connection's idleness.
 *
 * Functions that read return 0, the status to refuse the request with, or -1 where the
 * connection is of no more use.
 */
#include <arun.h>
#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 8192, BODY_MAX = 1 << 20 };    /* bytes */
static double idle_time = 60, request_time = 10; /* seconds */

struct client {
	arun_conn *conn;
	char head[HEAD_MAX];
};

struct request {
	http_parser parser; /* has its method, version, and framing */
	const char *path, *name;
	size_t path_length, name_length;
	int hosts, codings, refused;
	bool expects, close;
	char *body;
	size_t length;
};

/* Reads a line with its CR LF, which is *length bytes; no other CR may be in it. */
static int read_line(arun_conn *conn, char *line, size_t room, size_t *length) {
	ssize_t n = arun_read_until(conn, '\n', line, room);
	if (n <= 0) {
		errno = n < 0 ? errno : ENODATA;
		return n < 0 && errno == ENOBUFS ? 431 : -1;
	}
	*length = (size_t)n;
	return memchr(line, '\r', *length) == line + n - 2 ? 0 : 400;
}

/* Reads up to the empty line. A line that begins with a blank is, for some, a part of the
 * one before: nobody should send that any more. */
static int read_lines(arun_conn *conn, char *head, size_t room, size_t *length) {
	size_t line = *length;
	int status = 0;
	ARUN_TIMEOUT(request_time);
	while (status == 0 && line != 2) {
		status = read_line(conn, head + *length, room - *length, &line);
		if (status == 0 && (head[*length] == ' ' || head[*length] == '\t')) {
			status = 400;
		}
		*length += line;
	}
	return status;
}

/* What http_parser calls while it reads a head. All of that is there: no word is cut. */
static int on_url(http_parser *parser, const char *at, size_t length) {
	struct request *request = parser->data;
	struct http_parser_url url = {.field_set = 0};
	if (*at == '/') { /* as nearly always */
		const char *query = memchr(at, '?', length);
		request->path = at;
		request->path_length = query ? (size_t)(query - at) : length;
		return 0;
	}
	if (http_parser_parse_url(at, length, parser->method == HTTP_CONNECT, &url)) {
		return -1;
	}
	request->path = at + url.field_data[UF_PATH].off;
	request->path_length = url.field_data[UF_PATH].len;
	return 0;
}

static int on_name(http_parser *parser, const char *at, size_t length) {
	struct request *request = parser->data;
	request->name = at;
	request->name_length = length;
	return memchr(at, ' ', length) ? -1 : 0; /* "Content-Length : 5" */
}

static bool same(const char *word, const char *at, size_t length) {
	return length == strlen(word) && strncasecmp(word, at, length) == 0;
}

static int on_value(http_parser *parser, const char *at, size_t length) {
	struct request *request = parser->data;
	if (same("Host", request->name, request->name_length)) {
		request->hosts++;
	} else if (same("Transfer-Encoding", request->name, request->name_length)) {
		request->codings++;
		request->refused = same("chunked", at, length) ? request->refused : 501;
	} else if (same("Expect", request->name, request->name_length)) {
		request->expects = same("100-continue", at, length);
	}
	return 0;
}

static int parse(struct request *request, const char *head, size_t length) {
	static const http_parser_settings settings = {.on_url = on_url,
		.on_header_field = on_name,
		.on_header_value = on_value};
	http_parser *parser = &request->parser;
	http_parser_init(parser, HTTP_REQUEST);
	parser->data = request;
	size_t parsed = http_parser_execute(parser, &settings, head, length);
	if (HTTP_PARSER_ERRNO(parser) == HPE_INVALID_METHOD) {
		size_t word = strspn(head, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
		return word && head[word] == ' ' ? 501 : 400;
	}
	if (HTTP_PARSER_ERRNO(parser) != HPE_OK || parsed != length) {
		return request->refused ? request->refused : 400;
	}
	if (parser->http_major != 1) {
		return 505;
	}
	bool old = parser->http_minor == 0;
	if (request->hosts > 1 || request->hosts + old == 0 || request->codings > !old) {
		return 400;
	}
	return request->refused;
}

/* Reads size bytes more of the body. */
static int body_bytes(arun_conn *conn, struct request *request, size_t size) {
	if (size > BODY_MAX - request->length) {
		return 413;
	}
	char *body = realloc(request->body, request->length + size + 1);
	if (!body) {
		return 500;
	}
	request->body = body;
	if (size && arun_read_exactly(conn, body + request->length, size) <= 0) {
		return -1;
	}
	request->length += size;
	return 0;
}

/* Reads the chunks, a line with its size before each, and the lines behind the last. */
static int body_chunks(arun_conn *conn, struct request *request) {
	char line[256], trailers[1024];
	size_t length, size = 1;
	while (size) {
		int status = read_line(conn, line, sizeof line, &length);
		size_t digits = status ? 0 : strspn(line, "0123456789abcdefABCDEF");
		if (!digits || (line[digits] != ';' && line[digits] != '\r')) {
			return status == -1 ? -1 : 400;
		}
		size = strtoul(line, NULL, 16); /* of too many digits, the greatest */
		status = size ? body_bytes(conn, request, size) : 0;
		status = status || !size ? status : read_line(conn, line, 2, &length);
		if (status) {
			return status == 431 ? 400 : status;
		}
	}
	length = 0;
	return read_lines(conn, trailers, sizeof trailers, &length);
}

static int read_body(arun_conn *conn, struct request *request) {
	const http_parser *parser = &request->parser;
	size_t size = parser->flags & F_CONTENTLENGTH ? parser->content_length : 0;
	if (!size && !request->codings) {
		return 0;
	}
	ARUN_TIMEOUT(request_time);
	if (size > BODY_MAX) {
		return 413; /* before it is sent */
	}
	if (request->expects &&
		arun_write(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) {
		return -1;
	}
	return request->codings ? body_chunks(conn, request)
				: body_bytes(conn, request, size);
}

static int read_request(struct client *client, struct request *request) {
	size_t length = 2;
	int status = 0;
	while (status == 0 && length == 2) { /* empty lines before it are ignored */
		ARUN_TIMEOUT(idle_time);
		arun_idle(client->conn); /* a stop need not wait for what never comes */
		status = read_line(client->conn, client->head, HEAD_MAX, &length);
	}
	if (status) {
		return status;
	}
	status = read_lines(client->conn, client->head, HEAD_MAX, &length);
	status = status ? status : parse(request, client->head, length);
	status = status ? status : read_body(client->conn, request);
	return status == -1 && errno == ETIMEDOUT ? 408 : status;
}

/* As snprintf(3) would, in a tenth of the time: it is said in nearly every answer. */
static void content_length(char *out, size_t length) {
	char digits[24], *at = digits + sizeof digits;
	*--at = '\0';
	do {
		*--at = (char)('0' + length % 10);
		length /= 10;
	} while (length);
	stpcpy(stpcpy(stpcpy(out, "Content-Length: "), at), "\r\n");
}

/* Writes an answer; one without a body is to be followed by its chunks. */
static int answer(struct client *client, struct request *request, const char *status,
	const char *headers, const void *body, size_t length) {
	char head[1024], *end = head, how[64] = "Transfer-Encoding: chunked\r\n";
	bool old = request->parser.http_minor == 0;
	request->close |= arun_stopping() || (!body && old);
	if (body) {
		content_length(how, length);
	} else if (old) {
		how[0] = '\0'; /* the end of the connection is the end of the answer */
	}
	const char *words[] = {"HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\n",
		headers, how,
		request->close ? "Connection: close\r\n"
		: old          ? "Connection: keep-alive\r\n"
			       : "",
		"\r\n"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		end = stpcpy(end, words[i]);
	}
	length = !body || request->parser.method == HTTP_HEAD ? 0 : length;
	if (length > (size_t)(head + sizeof head - end)) {
		struct iovec pieces[] = {
			{head, (size_t)(end - head)}, {(void *)body, length}};
		return arun_writev(client->conn, pieces, 2);
	}
	memcpy(end, length ? body : "", length); /* one piece costs less to send */
	return arun_write(client->conn, head, (size_t)(end - head) + length);
}

static int refuse(
	struct client *client, struct request *request, int status, const char *headers) {
	char line[64];
	int n = snprintf(line, sizeof line, "%d %s", status,
		http_status_str((enum http_status)status));
	return answer(client, request, line, headers, line, (size_t)n);
}

/* An answer of unknown length, piece by piece. */
static int count(struct client *client, struct request *request) {
	char piece[32];
	int status = answer(client, request, "200 OK", "", NULL, 0);
	bool chunked = request->parser.http_minor > 0;
	if (request->parser.method == HTTP_HEAD) {
		return status;
	}
	for (int i = 0; status == 0 && i < 10; i++) {
		int n = snprintf(
			piece, sizeof piece, chunked ? "2\r\n%d\n\r\n" : "%d\n", i);
		status = arun_sleep(0.01); /* a database, say */
		status = status ? status : arun_write(client->conn, piece, (size_t)n);
	}
	return status || !chunked ? status : arun_write(client->conn, "0\r\n\r\n", 5);
}

static int respond(struct client *client, struct request *request) {
	static const char text[200] =
		"A page of two hundred bytes: what is to be measured here is the way to\n"
		"it and back, not the text. It has three lines, the last of which would\n"
		"be short, were it not for these few words that fill it up\n";
	bool get =
		request->parser.method == HTTP_GET || request->parser.method == HTTP_HEAD;
	const char *path = request->path;
	size_t length = request->path_length;
	if (!get && request->parser.method != HTTP_POST) {
		request->close = true; /* not to take a tunnel for requests */
		return refuse(client, request, 501, "");
	}
	if (same("/echo", path, length)) {
		return get ? refuse(client, request, 405, "Allow: POST\r\n")
			   : answer(client, request, "200 OK", "",
				     request->body ? request->body : "", request->length);
	}
	if (!same("/plain", path, length) && !same("/count", path, length)) {
		return refuse(client, request, 404, "");
	}
	if (!get) {
		return refuse(client, request, 405, "Allow: GET, HEAD\r\n");
	}
	return path[1] == 'c' ? count(client, request)
			      : answer(client, request, "200 OK", "", text, sizeof text);
}

/* Reads and answers a request. Returns whether the connection is good for another one. */
static bool exchange(struct client *client) {
	struct request request = {.close = true};
	int status = read_request(client, &request);
	if (status == 0) {
		request.close = !http_should_keep_alive(&request.parser);
		status = respond(client, &request);
	} else if (status > 0) {
		/* And close: who knows what follows. */
		status = refuse(client, &request, status, "");
	}
	free(request.body);
	return status == 0 && !request.close;
}

static int http(arun_conn *conn, void *arg) {
	struct client client;
	(void)arg;
	client.conn = conn;
	while (exchange(&client)) {
	}
	return 0;
}

static int serve(int argc, char **argv) {
	arun_listen_options options = {.idle_timeout = 60}; /* also of a write */
	idle_time = argc > 2 ? atof(argv[2]) : idle_time;
	request_time = argc > 3 ? atof(argv[3]) : request_time;
	arun_server *server = arun_listen_with(
		argc > 1 ? argv[1] : "tcp:127.0.0.1:8080", http, NULL, &options);
	if (!server) {
		return -1;
	}
	arun_yield();
	return arun_server_close(server);
}
ARUN_SERVER(serve, .name = "http", .about = "answers GET /plain, GET /count, POST /echo")
