# A client on paramiko: key with certificate, host certificate by the cluster's authority, a command and a file by SFTP.
# Arguments: port, login, key file, command.
import sys

import paramiko

port, login, key_file, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
key = paramiko.Ed25519Key.from_private_key_file(key_file)
key.load_certificate(key_file + "-cert.pub")
client = paramiko.SSHClient()
# paramiko does not judge host certificates.
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
try:
    client.connect("127.0.0.1", port, login, pkey=key, allow_agent=False, look_for_keys=False, timeout=20)
except paramiko.AuthenticationException as error:
    print(error, file=sys.stderr)
    sys.exit(255)
_, output, _ = client.exec_command(command)
sys.stdout.write(output.read().decode())
status = output.channel.recv_exit_status()
files = client.open_sftp()
with files.open("by-paramiko", "w") as file:
    file.write("x" * 100_000)
print(files.stat("by-paramiko").st_size)
files.remove("by-paramiko")
sys.exit(status)
