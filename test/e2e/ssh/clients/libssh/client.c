/* A client on libssh: logs in with a certificate, runs a command, prints its output, writes a file by SFTP, and ends with
   the exit code of the command; 255 and a word on standard error when it gets no further. It does not check the server:
   this library knows no certificates of hosts. */
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, ssh_session session) {
  fprintf(stderr, "%s: %s\n", what, session == NULL ? "" : ssh_get_error(session));
  return 255;
}

static int use_certificate(ssh_session session, const char *path) {
  char certificate_path[1024];
  ssh_key key = NULL, certificate = NULL;
  snprintf(certificate_path, sizeof certificate_path, "%s-cert.pub", path);
  if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &key) != SSH_OK) return -1;
  if (ssh_pki_import_cert_file(certificate_path, &certificate) != SSH_OK) return -1;
  if (ssh_pki_copy_cert_to_privkey(certificate, key) != SSH_OK) return -1;
  int result = ssh_userauth_publickey(session, NULL, key) == SSH_AUTH_SUCCESS ? 0 : -1;
  ssh_key_free(certificate);
  ssh_key_free(key);
  return result;
}

static int run(ssh_session session, const char *command) {
  char buffer[65536];
  int count;
  ssh_channel channel = ssh_channel_new(session);
  if (channel == NULL || ssh_channel_open_session(channel) != SSH_OK) return fail("session", session);
  if (ssh_channel_request_exec(channel, command) != SSH_OK) return fail("exec", session);
  while ((count = ssh_channel_read(channel, buffer, sizeof buffer, 0)) > 0) fwrite(buffer, 1, count, stdout);
  int code = ssh_channel_get_exit_status(channel);
  ssh_channel_close(channel);
  ssh_channel_free(channel);
  return code;
}

/* Writes a file of 100,000 bytes and prints the size that the server says. */
static int copy(ssh_session session, const char *name) {
  char data[100000];
  memset(data, 'x', sizeof data);
  sftp_session sftp = sftp_new(session);
  if (sftp == NULL || sftp_init(sftp) != SSH_OK) return fail("sftp", session);
  sftp_file file = sftp_open(sftp, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file == NULL) return fail("sftp open", session);
  for (size_t sent = 0; sent < sizeof data; sent += 20000) {
    if (sftp_write(file, data + sent, 20000) != 20000) return fail("sftp write", session);
  }
  sftp_close(file);
  sftp_attributes about = sftp_stat(sftp, name);
  if (about == NULL) return fail("sftp stat", session);
  printf("%lu\n", (unsigned long)about->size);
  sftp_attributes_free(about);
  sftp_unlink(sftp, name);
  sftp_free(sftp);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 5) return fail("usage: client PORT LOGIN KEY COMMAND", NULL);
  unsigned int port = (unsigned int)atoi(argv[1]);
  ssh_session session = ssh_new();
  ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
  ssh_options_set(session, SSH_OPTIONS_PORT, &port);
  ssh_options_set(session, SSH_OPTIONS_USER, argv[2]);
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &(int){0});
  if (ssh_connect(session) != SSH_OK) return fail("connect", session);
  if (use_certificate(session, argv[3]) != 0) return fail("login", session);
  int code = run(session, argv[4]);
  if (code != 255 && copy(session, "by-libssh") != 0) code = 255;
  ssh_disconnect(session);
  ssh_free(session);
  return code;
}
