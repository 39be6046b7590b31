// Who has not been heard of for so many beats of our own clock. Beats and not seconds: when the whole
// machine stood still for a while, nobody was silent.

/** A worker reports each second; one that does not for so long serves nobody, and never will again. */
const silentBeatsMax = 30;

export class Silence<Key> {
  readonly #beats = new Map<Key, number>();

  /** From now on it is listened for. */
  heard(key: Key): void {
    this.#beats.set(key, 0);
  }

  forget(key: Key): void {
    this.#beats.delete(key);
  }

  /** Another beat; those that have become silent with it. */
  beat(): Key[] {
    const silent: Key[] = [];
    for (const [key, beats] of this.#beats) {
      this.#beats.set(key, beats + 1);
      if (beats + 1 === silentBeatsMax) silent.push(key);
    }
    return silent;
  }
}
