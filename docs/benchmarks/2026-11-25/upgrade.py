"""An upgrade with many who wait: python3 upgrade.py PATH-OF-ENCKE [SUBSCRIBERS]

Parks subscribers, stores 5,000 messages of 10 kB, sends USR2, asks all the while, and publishes to everybody.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM, WAITING = sys.argv[1], int((sys.argv + ["15000"])[2])
MESSAGES, SIZE, CHANNELS, PORT = 5000, 10000, 1000, 18975


def connect():
    connection = socket.create_connection(("127.0.0.1", PORT))
    connection.settimeout(10)
    return connection


def ask(line, body=b""):
    with connect() as connection:
        head = f"{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
folder = tempfile.mkdtemp()
with open(f"{folder}/encke.conf", "w") as conf:
    conf.write(f"""
        worker_processes 2; pid {folder}/pid; error_log {folder}/log notice;
        events {{ worker_connections {WAITING}; }}
        http {{ access_log {folder}/access; push_max_reserved_memory 256m; server {{ listen 127.0.0.1:{PORT};
            location /publish {{ set $push_channel_id $arg_id; push_publisher; push_max_message_buffer_length 100; }}
            location /activity {{ set $push_channel_id $arg_id; push_subscriber; }}
        }} }}""")
old = subprocess.Popen([PROGRAM, "-c", f"{folder}/encke.conf"])
time.sleep(0.5)
waiting = [connect() for _ in range(WAITING)]
for number, connection in enumerate(waiting):
    connection.sendall(f"GET /activity?id={number % CHANNELS} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
for number in range(MESSAGES):
    ask(f"POST /publish?id=stored{number % 500}", b"x" * SIZE)

old.send_signal(signal.SIGUSR2)
slowest, end = 0, time.time() + 2
while time.time() < end:
    begin = time.time()
    ask("GET /publish?id=0")
    slowest = max(slowest, time.time() - begin)
print(f"slowest answer: {slowest:.3f} s")
for channel in range(CHANNELS):
    ask(f"POST /publish?id={channel}", b"ok")
print("answered:", sum(connection.recv(2000).endswith(b"ok") for connection in waiting), "of", WAITING)
old.send_signal(signal.SIGQUIT)
os.kill(int(open(f"{folder}/pid").read()), signal.SIGTERM)
print(open(f"{folder}/log").read(), end="")
