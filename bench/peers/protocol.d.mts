/** A built case: `run` is awaited for every iteration; `facts` go into the answer (a function is asked after the run). */
export interface BuiltCase {
  run(): unknown;
  readonly facts: object | (() => object);
}

export function serve(options: {
  describe(): object | Promise<object>;
  readonly cases: Readonly<Record<string, () => BuiltCase | Promise<BuiltCase>>>;
  readonly warmup: number;
}): Promise<void>;

export function versionOf(name: string, importer: string): Promise<string>;
