"""Runs the programs that standard input lists, one after the other; answers what each printed."""

import contextlib
import io
import json
import os
import runpy
import sys
import traceback

outputs = {}
for number, path, env in json.load(sys.stdin):
    before = dict(os.environ)
    os.environ.update(env)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(path)
        outputs[number] = said.getvalue()
    except BaseException:
        outputs[number] = f"FAILED {traceback.format_exc()}"
    for name in env:
        del os.environ[name]
    os.environ.update(before)
print(json.dumps(outputs))
