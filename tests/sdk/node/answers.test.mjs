// Answers, by the Node SDK.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { toFile } from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { start } from './gateway.mjs';

const model = 'simulator';
const messages = [{ role: 'user', content: 'Grüße, 世界 🙂' }];
const SAID = 'You said: Grüße, 世界 🙂 (This is the simulator; no model was asked.)';
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const functionTool = (name) => ({ type: 'function', function: { name, parameters } });
const Solution = z.object({ steps: z.array(z.object({ output: z.number() })), final: z.string() });

let gateway, client;
before(async () => {
  gateway = await start();
  client = gateway.client;
});
after(() => gateway.stop());

async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

test('a whole answer', async () => {
  const answer = await client.chat.completions.create({ model, messages });
  assert.equal(answer.choices[0].message.content, SAID);
  assert.equal(answer.choices[0].finish_reason, 'stop');
});

test('raw chunks', async () => {
  const chunks = await all(await client.chat.completions.create({ model, messages, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), SAID);
  const stream_options = { include_usage: true };
  const counted = await all(await client.chat.completions.create({ model, messages, stream: true, stream_options }));
  assert.equal(counted.length, chunks.length + 1);
  assert.deepEqual(counted.at(-1).choices, []);
  assert.ok(counted.at(-1).usage.total_tokens > 0);
});

test('the stream helper accumulates', async () => {
  const stream = client.chat.completions.stream({ model, messages });
  const deltas = [];
  stream.on('content', (delta) => deltas.push(delta));
  const final = await stream.finalChatCompletion();
  assert.equal(deltas.join(''), SAID);
  assert.equal(final.choices[0].message.content, SAID);
});

test('a tool loop, run by the SDK', async () => {
  const called = [];
  const weather = functionTool('weather');
  weather.function.parse = JSON.parse;
  weather.function.function = (argument) => {
    called.push(argument);
    return '21 degrees';
  };
  const runner = client.chat.completions.runTools({ model, messages, tools: [weather] });
  assert.match(await runner.finalContent(), /21 degrees/);
  assert.deepEqual(called, [{ city: 'city' }]);
});

test('parallel tool calls, streamed', async () => {
  const tools = ['weather', 'clock'].map(functionTool);
  const asked = [{ role: 'user', content: 'weather and clock, please' }];
  const stream = client.chat.completions.stream({ model, messages: asked, tools });
  const calls = (await stream.finalMessage()).tool_calls;
  assert.deepEqual(calls.map((call) => call.function.name), ['weather', 'clock']);
  calls.forEach((call) => JSON.parse(call.function.arguments));
  assert.notEqual(calls[0].id, calls[1].id);
});

test('structured output', async () => {
  const response_format = zodResponseFormat(Solution, 'solution');
  const answer = await client.chat.completions.parse({ model, messages, response_format });
  assert.ok(Solution.safeParse(answer.choices[0].message.parsed).success);
});

test('responses', async () => {
  const answer = await client.responses.create({ model, input: 'hello' });
  assert.match(answer.output_text, /hello/);
  const events = await all(await client.responses.create({ model, input: 'hello', stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  assert.equal(events.at(-1).type, 'response.completed');
  const final = await client.responses.stream({ model, input: 'hello' }).finalResponse();
  assert.equal(final.output_text, answer.output_text);
});

test('responses with a schema and with tools', async () => {
  const text = { format: zodTextFormat(Solution, 'solution') };
  const parsed = await client.responses.parse({ model, input: 'hello', text });
  assert.ok(Solution.safeParse(parsed.output_parsed).success);
  const tools = [{ type: 'function', name: 'weather', parameters, strict: true }];
  const asked = await client.responses.create({ model, input: 'the weather', tools });
  const call = asked.output.find((item) => item.type === 'function_call');
  const result = { type: 'function_call_output', call_id: call.call_id, output: '21 degrees' };
  const told = await client.responses.create({ model, input: [...asked.output, result], tools });
  assert.match(told.output_text, /21 degrees/);
});

test('embeddings', async () => {
  const request = { model: 'simulator-embedding', input: ['one', 'two'], dimensions: 8 };
  const usual = await client.embeddings.create(request);
  const floats = await client.embeddings.create({ ...request, encoding_format: 'float' });
  usual.data[1].embedding.forEach((value, at) => assert.ok(Math.abs(value - floats.data[1].embedding[at]) < 1e-6));
  assert.equal(usual.data[1].embedding.length, 8);
});

test('models', async () => {
  const listed = (await all(client.models.list())).map((model) => model.id);
  assert.ok(listed.includes('simulator/simulator'));
  assert.equal((await client.models.retrieve('simulator/simulator')).id, 'simulator/simulator');
});

for (const order of [['file', 'model'], ['model', 'file']]) {
  test(`transcription, the parts in the order ${order.join(', ')}`, async () => {
    const parts = { model, file: await toFile(Buffer.alloc(100_000, 7), 'sound.wav') };
    const request = Object.fromEntries(order.map((name) => [name, parts[name]]));
    const answer = await client.audio.transcriptions.create(request);
    assert.equal(answer.text, 'This is sound.wav, 100000 bytes long.');
  });
}

test('speech, moderations, completions', async () => {
  const speech = await client.audio.speech.create({ model, voice: 'alloy', input: 'hi', response_format: 'wav' });
  const sound = Buffer.from(await speech.arrayBuffer());
  assert.equal(sound.readUInt32LE(4), sound.length - 8);
  assert.equal((await client.moderations.create({ model, input: 'peace' })).results.length, 1);
  const completion = await client.completions.create({ model, prompt: 'once' });
  assert.match(completion.choices[0].text, /once/);
});
