/** Samples of primitives that read or write at places given by other tensors; indices repeat and leave gaps. */
import * as ops from "../../../src/ops/index.ts";
import { distinct, exactly, integers, normal, type SampleTable, sample } from "./make.ts";

export const places = {
  gather: [
    sample("gather rows", [normal(4, 3), exactly("int32", [5], [3, 0, 0, 2, 3])], ([x, i]) => ops.gather(x, i)),
    sample("gather table by matrix", [normal(5, 2), integers(0, 5, 2, 3)], ([x, i]) => ops.gather(x, i)),
    sample("gather columns", [normal(2, 4), exactly("int32", [3], [1, 1, 3])], ([x, i]) => ops.gather(x, i, 1)),
    sample("gather negative axis by matrix", [normal(2, 3, 2), integers(0, 3, 2, 2)], ([x, i]) => ops.gather(x, i, -2)),
    sample("gather one place", [normal(3, 2), integers(0, 3)], ([x, i]) => ops.gather(x, i)),
    sample("gather from a vector", [normal(4), integers(0, 4, 6)], ([x, i]) => ops.gather(x, i)),
    sample("gather int32", [integers(0, 9, 4), integers(0, 4, 3)], ([x, i]) => ops.gather(x, i)),
  ],
  scatterAdd: [
    sample("scatterAdd rows", [normal(5, 3), exactly("int32", [5], [3, 0, 0, 2, 3])], ([x, i]) =>
      ops.scatterAdd(x, i, { size: 4 }),
    ),
    sample("scatterAdd elements", [normal(6), exactly("int32", [6], [3, 0, 0, 2, 3, 3])], ([x, i]) =>
      ops.scatterAdd(x, i, { size: 4 }),
    ),
    sample("scatterAdd columns", [normal(2, 3, 2), exactly("int32", [3], [1, 1, 3])], ([x, i]) =>
      ops.scatterAdd(x, i, { axis: 1, size: 4 }),
    ),
    sample("scatterAdd by matrix", [normal(2, 3, 2), integers(0, 5, 2, 3)], ([x, i]) => ops.scatterAdd(x, i, { size: 5 })),
    sample("scatterAdd one place", [normal(3), integers(0, 3)], ([x, i]) => ops.scatterAdd(x, i, { size: 4 })),
    sample("scatterAdd into a large table", [normal(4, 2), exactly("int32", [4], [1029, 5, 1029, 0])], ([x, i]) =>
      ops.scatterAdd(x, i, { size: 1030 }),
    ),
    sample("scatterAdd int32", [integers(0, 9, 4, 2), integers(0, 3, 4)], ([x, i]) => ops.scatterAdd(x, i, { size: 3 })),
  ],
  takeAlongAxis: [
    sample("takeAlongAxis last", [normal(2, 4), integers(0, 4, 2, 3)], ([x, i]) => ops.takeAlongAxis(x, i)),
    sample("takeAlongAxis first, longer", [normal(2, 3), integers(0, 2, 5, 3)], ([x, i]) => ops.takeAlongAxis(x, i, 0)),
    sample("takeAlongAxis middle", [normal(2, 3, 2), integers(0, 3, 2, 1, 2)], ([x, i]) => ops.takeAlongAxis(x, i, -2)),
    sample("takeAlongAxis int32", [integers(0, 9, 4), integers(0, 4, 6)], ([x, i]) => ops.takeAlongAxis(x, i)),
  ],
  scatterAddAlongAxis: [
    sample("scatterAddAlongAxis last", [normal(2, 4), integers(0, 3, 2, 4)], ([x, i]) =>
      ops.scatterAddAlongAxis(x, i, { size: 3 }),
    ),
    sample("scatterAddAlongAxis first", [normal(4, 2), integers(0, 6, 4, 2)], ([x, i]) =>
      ops.scatterAddAlongAxis(x, i, { axis: 0, size: 6 }),
    ),
    sample("scatterAddAlongAxis middle", [normal(2, 3, 2), integers(0, 2, 2, 3, 2)], ([x, i]) =>
      ops.scatterAddAlongAxis(x, i, { axis: 1, size: 2 }),
    ),
    sample("scatterAddAlongAxis int32", [integers(0, 9, 6), integers(0, 2, 6)], ([x, i]) =>
      ops.scatterAddAlongAxis(x, i, { size: 2 }),
    ),
  ],
  topK: [
    sample("topK last", [distinct(2, 5)], ([x]) => Object.values(ops.topK(x, 3))),
    sample("topK first axis", [distinct(4, 2)], ([x]) => Object.values(ops.topK(x, 2, 0))),
    sample("topK all", [distinct(4)], ([x]) => Object.values(ops.topK(x, 4))),
    sample("topK one", [distinct(1, 3)], ([x]) => ops.topK(x, 1).values),
    sample("topK equals by index", [exactly("float32", [6], [1, 3, 2, 3, 1, 3])], ([x]) => Object.values(ops.topK(x, 5)), {
      kink: "ties",
    }),
    sample("topK int32", [exactly("int32", [5], [4, 9, 2, 7, 5])], ([x]) => Object.values(ops.topK(x, 3))),
  ],
} satisfies Partial<SampleTable>;
