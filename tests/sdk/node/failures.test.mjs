// Failures, by the Node SDK: the error's class, its code, its headers; never a silent end.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import OpenAI from 'openai';

import { start } from './gateway.mjs';

const model = 'simulator';
const messages = [{ role: 'user', content: 'hello' }];

let gateway, client;
before(async () => {
  gateway = await start();
  client = gateway.client;
});
after(() => gateway.stop());

const simulate = (behaviour, requestId) => ({
  headers: { 'x-simulate': behaviour, ...(requestId && { 'x-request-id': requestId }) },
});

async function failed(promise, expected) {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (error) => error,
  );
  assert.ok(error instanceof expected, `${error.constructor.name}: ${error.message}`);
  return error;
}

test('a wrong key', async () => {
  const stranger = client.withOptions({ apiKey: 'wrong' });
  const error = await failed(stranger.chat.completions.create({ model, messages }), OpenAI.AuthenticationError);
  assert.equal(error.code, 'invalid_api_key');
});

test('an unknown model', async () => {
  const error = await failed(client.chat.completions.create({ model: 'unknown', messages }), OpenAI.NotFoundError);
  assert.equal(error.code, 'model_not_found');
  assert.equal(error.param, 'model');
});

test('an invalid request', async () => {
  const error = await failed(client.chat.completions.create({ model, messages, n: 0 }), OpenAI.BadRequestError);
  assert.equal(error.param, 'n');
});

test('a rate limit', async () => {
  const request = client.chat.completions.create({ model, messages }, simulate('error=429,retry-after=7'));
  const error = await failed(request, OpenAI.RateLimitError);
  assert.equal(error.headers.get('retry-after'), '7');
  assert.ok(error.requestID);
});

test('a body that is too large', async () => {
  const large = [{ role: 'user', content: 'x'.repeat(2 << 20) }];
  const error = await failed(client.chat.completions.create({ model, messages: large }), OpenAI.APIError);
  assert.equal(error.status, 413);
});

test('request ids and our headers', async () => {
  const request = client.chat.completions.create({ model, messages }, { headers: { 'x-request-id': 'by-node' } });
  const { data, response, request_id } = await request.withResponse();
  assert.equal(request_id, 'by-node');
  assert.equal(data._request_id, 'by-node');
  assert.equal(response.headers.get('x-narthex-instance'), 'simulator');
  assert.equal(response.headers.get('x-narthex-attempts'), '1');
  assert.equal((await gateway.accessLine('by-node')).outcome, 'ok');
});

test('a client that loses patience', async () => {
  const impatient = client.withOptions({ timeout: 1500 });
  const request = impatient.chat.completions.create({ model, messages }, simulate('latency=60s', 'impatient'));
  await failed(request, OpenAI.APIConnectionTimeoutError);
  assert.equal((await gateway.accessLine('impatient')).outcome, 'client_gone');
});

test('a stream that its reader leaves', async () => {
  const options = simulate('tokens=5000,pace=10ms', 'left');
  const stream = await client.chat.completions.create({ model, messages, stream: true }, options);
  for await (const _ of stream) break;
  assert.equal((await gateway.accessLine('left')).outcome, 'client_gone');
});

test('streams that break', async () => {
  const read = async (stream) => {
    for await (const _ of await stream);
  };
  const chat = client.chat.completions.create({ model, messages, stream: true }, simulate('cut=3'));
  assert.match((await failed(read(chat), OpenAI.APIError)).message, /broke off/);
  const responses = client.responses.create({ model, input: 'hello', stream: true }, simulate('cut=3'));
  assert.match((await failed(read(responses), OpenAI.APIError)).message, /broke off/);
  const helper = client.chat.completions.stream({ model, messages }, simulate('cut=3'));
  assert.match((await failed(helper.finalChatCompletion(), OpenAI.APIError)).message, /broke off/);
});
