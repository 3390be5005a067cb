/** The catalogue's sets of records: texts with labels, pairs, questions and tables, made from its other sets. */
import type { DataSet } from "./catalogue.ts";

export const recordSets: readonly DataSet[] = [
  {
    name: "food-reviews",
    kind: "text",
    summary: "4,000 reviews of food in English, great or other (food-reviews:test: 1,000 more): text, label, product, id",
    source: { from: "set", set: "modeldata" },
    preparation: "food-reviews",
    content: "train.jsonl",
    parts: { train: "train.jsonl", test: "test.jsonl" },
    licence: "MIT",
    licenceNote: "The licence of the package; the reviews were written by customers of Amazon.",
    citation: "J. McAuley, J. Leskovec: From Amateurs to Connoisseurs, WWW 2013; modeldata by M. Kuhn",
  },
  {
    name: "chicago-ridership",
    kind: "table",
    summary: "5,684 days of 20 stations of Chicago's L (thousands of entries), with each day's weather and games",
    source: { from: "set", set: "modeldata" },
    preparation: "chicago-ridership",
    content: "ridership.csv",
    licence: "MIT",
    licenceNote: "Columns: date, 20 stations, then 28 of weather and games, known beforehand at best as forecasts.",
    citation: "M. Kuhn, K. Johnson: Feature Engineering and Selection, 2020; Chicago Transit Authority",
  },
];
