/* Keeps TLS connections busy with small requests for a while, or moves one large body, and prints what came of it as a
 * line of JSON. In C because it must speak ALPN with a client certificate and cost much less than what it measures.
 * Words: port alpn certificate|- key|- host cookie|- path connections seconds upload-bytes; seconds 0: one request. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <netinet/tcp.h>
#include <unistd.h>

static SSL_CTX *context;
static struct sockaddr_in address;
static const char *host;
static char request[8192];
static int request_length;
static double deadline;
static long long upload;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long requests, received;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static SSL *dial(void) {
  int one = 1, handle = socket(AF_INET, SOCK_STREAM, 0);
  if (handle < 0 || connect(handle, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, handle);
  if (strchr(host, '.') != NULL && strspn(host, "0123456789.") != strlen(host)) SSL_set_tlsext_host_name(ssl, host);
  if (SSL_connect(ssl) != 1) fail("the TLS handshake failed");
  return ssl;
}

static void send_all(SSL *ssl, const char *bytes, long long length) {
  while (length > 0) {
    int sent = SSL_write(ssl, bytes, length > 65536 ? 65536 : (int)length);
    if (sent <= 0) fail("cannot write");
    bytes += sent;
    length -= sent;
  }
}

/* One reply with a content-length; the bytes of its body. */
static long long read_reply(SSL *ssl, char *buffer, int size) {
  int have = 0;
  char *end = NULL;
  while (end == NULL) {
    int got = SSL_read(ssl, buffer + have, size - 1 - have);
    if (got <= 0) fail("no reply");
    have += got;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
  }
  if (strncmp(buffer, "HTTP/1.1 200 ", 13) != 0) fail(buffer);
  char *length = strcasestr(buffer, "\r\ncontent-length:");
  if (length == NULL || length > end) fail("a reply without a length");
  long long total = atoll(length + 17), left = total - (have - (end + 4 - buffer));
  while (left > 0) {
    int got = SSL_read(ssl, buffer, left < size - 1 ? (int)left : size - 1);
    if (got <= 0) fail("the reply broke off");
    left -= got;
  }
  return total;
}

static void *work(void *unused) {
  static const char zeros[65536];
  char *buffer = malloc(262144);
  SSL *ssl = dial();
  long long count = 0, bytes = 0;
  (void)unused;
  do {
    send_all(ssl, request, request_length);
    for (long long left = upload; left > 0; left -= 65536) send_all(ssl, zeros, left < 65536 ? left : 65536);
    bytes += read_reply(ssl, buffer, 262144);
    count++;
  } while (now() < deadline);
  pthread_mutex_lock(&lock);
  requests += count;
  received += bytes;
  pthread_mutex_unlock(&lock);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 11) fail("ten words are needed");
  unsigned char alpn[256];
  int connections = atoi(argv[8]);
  pthread_t threads[1024];
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  host = argv[5];
  upload = atoll(argv[10]);
  context = SSL_CTX_new(TLS_client_method());
  alpn[0] = (unsigned char)strlen(argv[2]);
  memcpy(alpn + 1, argv[2], alpn[0]);
  SSL_CTX_set_alpn_protos(context, alpn, alpn[0] + 1u);
  if (strcmp(argv[3], "-") != 0) {
    if (SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1) fail("the certificate cannot be read");
    if (SSL_CTX_use_PrivateKey_file(context, argv[4], SSL_FILETYPE_PEM) != 1) fail("the key cannot be read");
  }
  char length[64] = "", cookie[4096] = "";
  if (upload > 0) snprintf(length, sizeof length, "Content-Length: %lld\r\n", upload);
  if (strcmp(argv[6], "-") != 0) snprintf(cookie, sizeof cookie, "Cookie: %s\r\n", argv[6]);
  request_length = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
                            upload > 0 ? "POST" : "GET", argv[7], host, cookie, length);
  double started = now();
  deadline = started + atof(argv[9]);
  for (int at = 0; at < connections; at++) pthread_create(&threads[at], NULL, work, NULL);
  for (int at = 0; at < connections; at++) pthread_join(threads[at], NULL);
  printf("{\"seconds\": %f, \"requests\": %lld, \"bytes\": %lld}\n", now() - started, requests, received);
  return 0;
}
