"""Attacks a process with Frida: attach PID, or spawn PROGRAM ARGUMENT…

Says "begins" when Frida is ready, hooks a function of the C library, stays for a moment, and says "hooked" if all that went well, "refused"
and why if it didn't.
"""

import sys
import time

import frida

HOOK = "Interceptor.attach(Module.getGlobalExportByName('read'), {onEnter() {}});"

mode, arguments = sys.argv[1], sys.argv[2:]
try:
    device = frida.get_local_device()
    print("begins", flush=True)
    pid = int(arguments[0]) if mode == "attach" else device.spawn(arguments)
    session = device.attach(pid)
    session.create_script(HOOK).load()
    if mode == "spawn":
        device.resume(pid)
    time.sleep(1.5)
    print(f"hooked {pid}", flush=True)
except Exception as error:  # whatever stops it is the answer
    print(f"refused {type(error).__name__}: {error}", flush=True)
