/** Spectra over time against a plain Fourier sum, and distances between sounds. */
import { describe, expect, it } from "vitest";
import { logSpectralDistance, multiResolutionDistance } from "../../../src/metrics/audio.ts";
import { logMel, melFilters, stft } from "../../../src/util/spectrogram.ts";

const tone = (hertz: number, amplitude = 0.5, rate = 8000, length = 2000): Float32Array =>
  Float32Array.from({ length }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate));

describe("stft", () => {
  it("is the Fourier sum of each window", () => {
    const samples = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i * i));
    const [window, hop] = [16, 8];
    const { rows, width, data } = stft(samples, { window, hop });
    expect([rows, width]).toEqual([7, 9]);
    for (let t = 0; t < rows; t++) {
      for (let k = 0; k < width; k++) {
        let [re, im] = [0, 0];
        for (let n = 0; n < window; n++) {
          const value = (samples[t * hop - 4 + n] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / window));
          re += value * Math.cos((2 * Math.PI * k * n) / window);
          im -= value * Math.sin((2 * Math.PI * k * n) / window);
        }
        expect(data[t * width + k]).toBeCloseTo(Math.hypot(re, im), 5);
      }
    }
  });

  it("finds a tone at its frequency, in hertz and in mel bands", () => {
    const { width, data } = stft(tone(1000), { window: 512, hop: 128 });
    const middle = data.subarray(8 * width, 9 * width);
    expect(middle.indexOf(Math.max(...middle))).toBe(64); // 1000 Hz of 8000, in 512ths
    const options = { bands: 20, window: 512, hop: 128, rate: 8000 };
    const filters = melFilters(options);
    const mel = logMel(tone(1000), options);
    const row = mel.data.subarray(8 * 20, 9 * 20);
    const loudest = row.indexOf(Math.max(...row));
    const weights = Array.from({ length: 20 }, (_, f) => filters.data[f * filters.width + 64]);
    expect(loudest).toBe(weights.indexOf(Math.max(...(weights as number[]))));
    expect(Math.min(...logMel(new Float32Array(500), options).data)).toBeCloseTo(Math.log(1e-4), 5);
  });
});

describe("distances", () => {
  it("are 0 for the same sound and know level: ten times as loud is ln 10, or 20 dB", () => {
    const noise = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i * i * 0.37) * 0.05);
    const loud = noise.map((value) => value * 10);
    expect(multiResolutionDistance(noise, noise)).toBe(0);
    expect(logSpectralDistance(noise, noise)).toBe(0);
    expect(multiResolutionDistance(noise, loud)).toBeCloseTo(Math.log(10), 2);
    expect(logSpectralDistance(noise, loud)).toBeCloseTo(20, 1);
  });

  it("do not hear phase, but pitch", () => {
    const shifted = Float32Array.from({ length: 2000 }, (_, i) => 0.5 * Math.cos((2 * Math.PI * 1000 * i) / 8000));
    expect(multiResolutionDistance(tone(1000), shifted)).toBeLessThan(multiResolutionDistance(tone(1000), tone(2000)) / 2);
    expect(logSpectralDistance(tone(1000), shifted)).toBeLessThan(logSpectralDistance(tone(1000), tone(2000)) / 2);
  });

  it("want sounds of one length", () => {
    expect(() => logSpectralDistance(tone(1000), new Float32Array(3))).toThrow("got 2000 and 3 samples");
    expect(() => multiResolutionDistance(new Float32Array(0), new Float32Array(0))).toThrow("got 0 and 0 samples");
  });
});
