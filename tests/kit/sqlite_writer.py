"""A small application that keeps writing to its SQLite database until its standard input ends.

Every transaction adds one to two counters that stand far apart in the file, and replaces a row of random length. So a
copy is torn where the counters differ.
"""

import random
import sqlite3
import sys
import threading
import time

PADDING_ROWS = 400


def main() -> None:
    path, mode, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    database.execute(f"PRAGMA journal_mode={mode}")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    database.execute("CREATE TABLE IF NOT EXISTS one (n INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS padding (id INTEGER PRIMARY KEY, text TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS two (n INTEGER)")
    database.execute("INSERT INTO one VALUES (0)")
    database.executemany("INSERT INTO padding VALUES (?, ?)", ((i, "x" * 2000) for i in range(PADDING_ROWS)))
    database.execute("INSERT INTO two VALUES (0)")
    database.execute("COMMIT")
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print("ready", flush=True)
    chance = random.Random(1)
    written = 0
    while not ended.is_set():
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE one SET n = n + 1")
        row = chance.randrange(PADDING_ROWS)
        database.execute("UPDATE padding SET text = ? WHERE id = ?", ("y" * chance.randrange(4000), row))
        database.execute("UPDATE two SET n = n + 1")
        database.execute("COMMIT")
        written += 1
        time.sleep(pause)
    database.close()
    print(written, flush=True)


main()
