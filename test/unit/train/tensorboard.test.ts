import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEventWriter } from "../../../src/train/index.ts";
import { fileVersionRecord, restartRecord, summaryRecord } from "../../../src/train/tensorboard.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heptagen-events-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** CRC-32C bit by bit from its definition: reflected polynomial 0x82F63B78. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const unmask = (masked: number): number => {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
};

/** A parsed message: field number to its values, numbers for varints, bytes for everything else. */
type Message = Map<number, (number | Uint8Array)[]>;

function parseMessage(bytes: Uint8Array): Message {
  const message: Message = new Map();
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    while (true) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const value = [varint, () => take(8), () => take(varint()), undefined, undefined, () => take(4)][key & 7]?.();
    if (value === undefined) throw new Error(`wire type ${key & 7}`);
    message.set(key >> 3, [...(message.get(key >> 3) ?? []), value]);
  }
  return message;
}

const bytesAt = (message: Message, ...path: number[]): Uint8Array => {
  const [field = 0, ...rest] = path;
  const value = message.get(field)?.[0] as Uint8Array;
  return rest.length === 0 ? value : bytesAt(parseMessage(value), ...rest);
};
const textAt = (message: Message, ...path: number[]) => new TextDecoder().decode(bytesAt(message, ...path));
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** An independent reader: lengths and both checksums verified. */
function readEvents(bytes: Uint8Array): Message[] {
  const events: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = view(bytes.subarray(at));
    const length = Number(frame.getBigUint64(0, true));
    expect(unmask(frame.getUint32(8, true))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(frame.getUint32(12 + length, true))).toBe(crc32c(data));
    events.push(parseMessage(data));
    at += 16 + length;
  }
  return events;
}

/** A PNG of the size and colour type told by its header; the rest does not matter here. */
const png = (width: number, height: number, colorType: number) =>
  Uint8Array.of(
    0x89,
    0x50,
    0x4e,
    0x47,
    13,
    10,
    26,
    10,
    0,
    0,
    0,
    13,
    0x49,
    0x48,
    0x44,
    0x52,
    0,
    0,
    width >> 8,
    width & 255,
    0,
    0,
    0,
    height,
    8,
    colorType,
    0,
    0,
    0,
  );

test("the reader's own checksum gives the published check value", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
});

test("a file begins with its version", () => {
  const [event] = readEvents(fileVersionRecord(1.5));
  expect(view(bytesAt(event as Message, 1)).getFloat64(0, true)).toBe(1.5);
  expect(textAt(event as Message, 3)).toBe("brain.Event:2");
});

test("scalars, text and images of one step", () => {
  const image = png(300, 20, 2);
  const bytes = summaryRecord({ step: 70_000, wallTime: 12.25 }, [
    { tag: "loss/train", scalar: 2.5 },
    { tag: "perplexity", scalar: 1e300 },
    { tag: "sample", text: "鲸 *Call me*" },
    { tag: "attention", png: image },
  ]);
  const [event] = readEvents(bytes);
  if (!event) throw new Error("no event");
  expect(event.get(2)).toEqual([70_000]);
  expect(view(bytesAt(event, 1)).getFloat64(0, true)).toBe(12.25);
  const [loss, perplexity, sample, attention] = (parseMessage(bytesAt(event, 5)).get(1) ?? []).map((value) =>
    parseMessage(value as Uint8Array),
  );
  if (!loss || !perplexity || !sample || !attention) throw new Error("a value is missing");
  expect([loss, perplexity, sample, attention].map((value) => textAt(value, 1))).toEqual([
    "loss/train",
    "perplexity",
    "sample",
    "attention",
  ]);
  expect(view(bytesAt(loss, 2)).getFloat32(0, true)).toBe(2.5);
  expect(view(bytesAt(perplexity, 2)).getFloat32(0, true)).toBe(Number.POSITIVE_INFINITY); // more than float32 holds
  const tensor = parseMessage(bytesAt(sample, 8));
  expect([tensor.get(1), parseMessage(bytesAt(tensor, 2, 2)).get(1), textAt(tensor, 8)]).toEqual([[7], [1], "鲸 *Call me*"]);
  expect(textAt(sample, 9, 1, 1)).toBe("text");
  const shown = parseMessage(bytesAt(attention, 4));
  expect([shown.get(1), shown.get(2), shown.get(3)]).toEqual([[20], [300], [3]]);
  expect(bytesAt(shown, 4)).toEqual(image);
});

test("what is no PNG is refused", () => {
  const time = { step: 1, wallTime: 0 };
  expect(() => summaryRecord(time, [{ tag: "a", png: Uint8Array.of(0xff, 0xd8) }])).toThrow(
    '"a": expected the bytes of a PNG image',
  );
  expect(() => summaryRecord(time, [{ tag: "a", png: new Uint8Array(0) }])).toThrow(/expected the bytes of a PNG image, got 0/);
});

test("a restart tells the step it goes on from", () => {
  const [event] = readEvents(restartRecord({ step: 300, wallTime: 1 }));
  expect([event?.get(2), parseMessage(bytesAt(event as Message, 7)).get(1)]).toEqual([[300], [1]]);
});

test("each writer has a file of its own, readable while it is open", async () => {
  const [first, second] = [
    openEventWriter(join(folder, "tensorboard")),
    openEventWriter(join(folder, "tensorboard"), { resumeStep: 5 }),
  ];
  first.scalars(1, { "loss/train": 2, rate: Number.NaN });
  const events = readEvents(new Uint8Array(await readFile(first.file)));
  expect(events.map((event) => event.get(2))).toEqual([[0], [1]]);
  expect(Math.abs(view(bytesAt(events[1] as Message, 1)).getFloat64(0, true) - Date.now() / 1000)).toBeLessThan(60);
  second.write(5, [{ tag: "sample", text: "x" }]);
  expect(readEvents(new Uint8Array(await readFile(second.file))).map((event) => [...event.keys()].at(-1))).toEqual([3, 7, 5]);
  first.close();
  second.close();
  const names = await readdir(join(folder, "tensorboard"));
  expect(names.length).toBe(2);
  for (const name of names) expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
});

test("TensorBoard itself reads it", async ({ skip }) => {
  const script =
    "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as E; import sys; a = E(sys.argv[1]); a.Reload(); print([(e.step, e.value) for e in a.Scalars('loss')])";
  if (spawnSync("python3", ["-c", "import tensorboard"]).status !== 0) return skip("python3 here has no tensorboard");
  const events = openEventWriter(folder);
  events.scalars(3, { loss: 0.5 });
  events.close();
  expect(spawnSync("python3", ["-c", script, folder], { encoding: "utf8" }).stdout.trim()).toBe("[(3, 0.5)]");
});
