// cine.js - play a stack: a step each 1/rate s, round and round. A picture that is not there yet is waited for, never
// skipped, so that nobody believes to have seen what was not shown.
export class Cine {
  // step: () => Promise, resolves when the next picture is shown. later: (call, ms) => handle; never: (handle).
  constructor({ step, later = setTimeout, never = clearTimeout, now = () => performance.now() }) {
    Object.assign(this, { step, later, never, now, rate: 10, isPlaying: false, timer: 0 });
  }

  play(rate = this.rate) {
    this.setRate(rate);
    if (this.isPlaying) return;
    this.isPlaying = true;
    this.due = this.now();
    this.plan();
  }

  stop() {
    this.isPlaying = false;
    this.never.call(globalThis, this.timer);
  }

  setRate(rate) {
    this.rate = Math.min(60, Math.max(1, rate));
  }

  // The time a picture took to come is taken off the wait; time lost is not made up by a rush.
  plan() {
    const [next, now] = [this.due + 1000 / this.rate, this.now()];
    this.due = next >= now ? next : now + 1000 / this.rate;
    this.timer = this.later.call(globalThis, () => this.tick(), this.due - this.now());
  }

  async tick() {
    try {
      await this.step();
    } catch {
      this.stop();
    }
    if (this.isPlaying) this.plan();
  }
}
