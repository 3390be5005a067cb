/** Text from tokens: halves of characters and beginnings of stop strings are held back, and nothing is lost. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textStream } from "../../../src/tasks/language-model/text-stream.ts";

const bytes = (text: string) => [...new TextEncoder().encode(text)];
const tokenBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

function written(text: string, stop: string[] = []): { pieces: string[]; stopped: boolean } {
  const stream = textStream(tokenBytes, stop);
  const pieces = [...bytes(text).map((id) => stream.push(id)), stream.flush()];
  return { pieces, stopped: stream.stopped };
}

describe("a stream of text", () => {
  it("gives back any text, byte by byte", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(written(text).pieces.join("")).toBe(text);
      }),
    );
  });

  it("never prints half a character", () => {
    expect(written("a鲸z").pieces.filter(Boolean)).toEqual(["a", "鲸", "z"]);
  });

  it("ends before a stop string, however it is cut into tokens", () => {
    expect(written("one END two", ["END"])).toEqual({ pieces: expect.anything(), stopped: true });
    expect(written("one END two", ["END", " E"]).pieces.join("")).toBe("one");
  });

  it("prints what only looked like a stop string", () => {
    expect(written("the ENd EN", ["END"]).pieces.join("")).toBe("the ENd EN");
  });

  it("writes an incomplete character at the end as what it is", () => {
    const stream = textStream(tokenBytes);
    expect(stream.push(0xe9) + stream.flush()).toBe("\uFFFD");
  });
});
