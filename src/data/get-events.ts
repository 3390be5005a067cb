/** What happens while data is fetched: for progress bars and logs. */
export type GetEvent =
  /** Before anything is fetched: what it is and what may be done with it. */
  | {
      readonly kind: "licence";
      readonly name: string;
      readonly source: string;
      readonly licence: string;
      readonly note?: string | undefined;
      readonly bytes?: number | undefined;
    }
  /** Another process fetches the same set; this one waits for it. */
  | { readonly kind: "waiting"; readonly name: string }
  /** A file is being fetched, or a set arranged; `done` and `total` in bytes or what `unit` names, `total` where it is known. */
  | {
      readonly kind: "progress";
      readonly file: string;
      readonly done: number;
      readonly total?: number | undefined;
      readonly unit?: string | undefined;
    }
  | { readonly kind: "verified"; readonly file: string; readonly sha256: string; readonly bytes: number }
  | { readonly kind: "preparing"; readonly name: string }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "ready"; readonly name: string; readonly folder: string; readonly fetched: boolean };

/** What a fetcher needs besides its source. */
export interface FetchContext {
  /** Where files are put; what an interrupted fetch left is there still. */
  readonly folder: string;
  readonly onEvent: (event: GetEvent) => void;
  readonly signal?: AbortSignal | undefined;
}
