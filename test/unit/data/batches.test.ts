/** Splits and batches: nothing is shared between sides, batches are functions of the step, permutations are bijections. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  byteTokenizer,
  characterTokenizer,
  consecutiveWindows,
  encodeTexts,
  epochWindows,
  permute,
  prefetch,
  randomWindows,
  splitTexts,
  tokenDataset,
  trainBpe,
} from "../../../src/data/index.ts";
import { key } from "../../../src/util/random.ts";

const stream = Int32Array.from({ length: 1003 }, (_, i) => i);
const size = { batch: 4, context: 10 };

describe("windows", () => {
  it("have targets one place later", () => {
    const batches = [
      randomWindows(stream, size, key(1))(5),
      epochWindows(stream, size, key(1))(5),
      ...consecutiveWindows(stream, size),
    ];
    for (const { tokens, targets } of batches) {
      expect(tokens.shape).toEqual([4, 10]);
      expect([...targets.data]).toEqual([...tokens.data].map((t) => Number(t) + 1));
    }
  });
  it("are the same for the same step and differ between steps and seeds", () => {
    for (const make of [randomWindows, epochWindows]) {
      const a = make(stream, size, key(1));
      const later = make(stream, size, key(1));
      expect(a(7).tokens.data).toEqual(later(7).tokens.data);
      expect(a(7).tokens.data).not.toEqual(a(8).tokens.data);
      expect(a(7).tokens.data).not.toEqual(make(stream, size, key(2))(7).tokens.data);
    }
  });
  it("reach the stream's last token and no further", () => {
    const short = Int32Array.from({ length: 12 }, (_, i) => i);
    const starts = new Set<number>();
    const draw = randomWindows(short, size, key(3));
    for (let step = 0; step < 50; step++) for (let b = 0; b < 4; b++) starts.add(draw(step).tokens.data[b * 10] as number);
    expect([...starts].sort()).toEqual([0, 1]);
  });
  it("cover an epoch once, and the next in another order", () => {
    const draw = epochWindows(stream, size, key(1));
    const firsts = (epoch: number) =>
      Array.from({ length: 25 }, (_, i) => draw(epoch * 25 + i)).flatMap(({ tokens }) =>
        [0, 10, 20, 30].map((i) => tokens.data[i]),
      );
    expect(new Set(firsts(0)).size).toBe(100);
    expect(firsts(0)).not.toEqual(firsts(1));
  });
  it("cover a validation stream once; windows that fill up the last batch do not count", () => {
    const batches = consecutiveWindows(
      Int32Array.from({ length: 65 }, (_, i) => i),
      size,
    );
    const counted = batches.flatMap(({ targets }) => [...(targets.data as Int32Array)].filter((t) => t !== -1));
    expect(counted).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });
});

it("permutes: a bijection for every size", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.integer(), (count, seed) => {
      const places = new Set(Array.from({ length: count }, (_, i) => permute(key(seed), i, count)));
      expect(places.size).toBe(count);
      expect(Math.min(...places)).toBe(0);
      expect(Math.max(...places)).toBe(count - 1);
    }),
    { numRuns: 50 },
  );
});

describe("splits", () => {
  it("cut a text in two without losing a character", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", minLength: 1 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        async (text, fraction) => {
          const { train, validation } = await splitTexts([text], fraction);
          expect((train[0] as string) + validation[0]).toBe(text);
          expect(/\p{Surrogate}/u.test(train[0] as string)).toBe(false);
        },
      ),
    );
  });
  it("keep equal documents on one side and every document whole", async () => {
    const documents = Array.from({ length: 400 }, (_, i) => `document ${i % 100}`);
    const { train, validation } = await splitTexts(documents, 0.2);
    expect(train.length + validation.length).toBe(400);
    expect(validation.length).toBeGreaterThan(0);
    expect(validation.filter((text) => train.includes(text))).toEqual([]);
  });
  it("do not change when documents are added", async () => {
    const documents = Array.from({ length: 50 }, (_, i) => `document ${i}`);
    const before = await splitTexts(documents, 0.3);
    const after = await splitTexts([...documents, "one more"], 0.3);
    expect(before.validation.every((text) => after.validation.includes(text))).toBe(true);
  });
});

describe("datasets", () => {
  it("say when a side is shorter than a window, with the numbers", async () => {
    const text = "abcdefghij".repeat(10);
    await expect(tokenDataset([text], characterTokenizer(text), { validation: 0.1, context: 32 })).rejects.toMatchObject({
      code: "data/too-short",
      message: expect.stringContaining("the validation text has 10 tokens; a context of 32 needs at least 33"),
    });
  });
  it("put the end-of-text token after each of several documents", async () => {
    const t = await trainBpe("aaaa bbbb aaaa bbbb", 260);
    expect([...encodeTexts(["aa", "bb"], t)].filter((token) => token === t.endOfText)).toHaveLength(2);
    expect([...encodeTexts(["aa"], t)]).not.toContain(t.endOfText);
  });
  it("have a fingerprint of the texts and where they end", async () => {
    const make = async (texts: string[]) =>
      (await tokenDataset(texts, byteTokenizer(), { validation: 0, context: 2 })).fingerprint;
    expect(await make(["abc", "def"])).toBe(await make(["abc", "def"]));
    expect(await make(["abc", "def"])).not.toBe(await make(["abcd", "ef"]));
  });
});

describe("prefetch", () => {
  it("works ahead, in order, once per step", async () => {
    const asked: number[] = [];
    const read = prefetch(async (step) => {
      asked.push(step);
      return step * 10;
    }, 2);
    expect([await read(4), await read(5), await read(6)]).toEqual([40, 50, 60]);
    await new Promise((r) => setTimeout(r, 5));
    expect(asked).toEqual([4, 5, 6, 7, 8]);
  });
  it("gives a source's error to whoever asks for that step", async () => {
    const read = prefetch((step) => {
      if (step === 2) throw new Error("bad file");
      return step;
    });
    expect(await read(1)).toBe(1);
    await expect(read(2)).rejects.toThrow("bad file");
  });
});
