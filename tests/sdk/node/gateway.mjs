// The narthex binary as a process, for tests that are its clients.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import OpenAI from 'openai';

const KEY = 'sk-test-of-the-sdks';
const PATIENCE = 20_000;

/** Starts a gateway in an empty directory, without the machine's environment, and waits until it is ready. */
export async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'narthex-test-'));
  // Named, so that it is an ordinary provider: as a mere stand-in for one it would answer to every model name.
  await writeFile(join(directory, 'config.yaml'), 'providers: {simulator: {}}\n');
  const env = {
    NARTHEX_LISTEN: '127.0.0.1:0',
    NARTHEX_ADMIN_LISTEN: '127.0.0.1:0',
    NARTHEX_MASTER_KEY: KEY,
    NARTHEX_RETRIES: '0',
    NARTHEX_MAX_BODY: '1M',
  };
  const child = spawn(process.env.NARTHEX_BINARY, [], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = new AccessLog(child.stdout);
  const root = await listening(child);
  await ready(root);
  return {
    client: new OpenAI({ baseURL: `${root}/v1`, apiKey: KEY, maxRetries: 0 }),
    accessLine: (requestId) => log.line(requestId),
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true });
    },
  };
}

function listening(child) {
  return new Promise((resolve, reject) => {
    const said = [];
    child.once('exit', () => reject(new Error(`the gateway did not start:\n${said.join('\n')}`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      const found = /^narthex \S+ listens on (http:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
}

async function ready(root) {
  const end = Date.now() + PATIENCE;
  while (!(await fetch(`${root}/health/ready`)).ok) {
    if (Date.now() > end) throw new Error('the gateway does not become ready');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class AccessLog {
  #known = new Map();
  #awaited = new Map();

  constructor(stream) {
    createInterface({ input: stream }).on('line', (text) => {
      const line = JSON.parse(text);
      this.#known.set(line.request_id, line);
      this.#awaited.get(line.request_id)?.(line);
    });
  }

  /** What it tells of an exchange, once it does. */
  line(requestId) {
    const known = this.#known.get(requestId);
    return known ?? new Promise((resolve) => this.#awaited.set(requestId, resolve));
  }
}
