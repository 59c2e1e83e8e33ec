"""The simulator as a process of its own, and a configuration of providers that are all of them this one process."""

import json
import os
import re
import subprocess
import threading
import urllib.request

# Instances by the type of provider that each is: the simulator speaks the dialects of all of them.
PROVIDERS = {
    "openai": "{root}/v1",
    "anthropic": "{root}/v1",
    "gemini": "{root}/v1beta",
    "bedrock": "{root}",
}


class Simulator:
    """Runs while the `with` lasts, with these flags."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        binary = os.path.abspath(os.environ["NARTHEX_BINARY"])
        command = [binary, "simulate", "--listen", "127.0.0.1:0", *self.flags]
        self.process = subprocess.Popen(
            command, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if found := re.search(r"listens on (http://[^/\s]+)", line):
                self.root = found[1]
                break
        else:
            raise AssertionError("the simulator does not listen")
        # Read on, lest it stand still with a full pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def log(self):
        """What was done with files and batches, how often."""
        with urllib.request.urlopen(f"{self.root}/__log") as answer:
            return json.load(answer)

    def config(self):
        lines = ["providers:"]
        for name, base_url in PROVIDERS.items():
            lines += [f"  {name}:", "    api_key: key-of-the-provider", f"    base_url: {base_url.format(root=self.root)}"]
            lines += ["    models: [simulator]", "    models_mode: allowlist"]
        return "\n".join(lines) + "\n"
