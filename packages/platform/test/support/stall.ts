/** Stalls the event loop, as work of the process itself or a lack of CPU time does. */
export const stall = (ms: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
