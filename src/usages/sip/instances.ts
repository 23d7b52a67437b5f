/**
 * One phone known at several places: only the newest place is tried at first, the others serve when it
 * cannot be reached (DESIGN §5.1).
 */

/** A place where phones can be reached. */
export interface Place {
  /** Hashes of the phones there. */
  readonly instances: readonly string[];
  /** Phones without a name are there too. */
  readonly anonymousPhones: boolean;
  /** Wall clock of its registration. */
  readonly registeredAtMs: number;
}

/** A place to try, and those that know the same phones from earlier, newest first. */
export interface Arrangement<P> {
  readonly place: P;
  readonly alternates: readonly P[];
}

/** Every place once: as a first choice when some phone is newest there, else as an alternate of such a one. */
export function arrangePlaces<P extends Place>(places: readonly P[]): readonly Arrangement<P>[] {
  const ordered = [...places].sort((a, b) => b.registeredAtMs - a.registeredAtMs);
  const chosen: { readonly place: P; readonly alternates: P[] }[] = [];
  const newest = new Map<string, { readonly alternates: P[] }>();
  for (const place of ordered) {
    const superseded =
      !place.anonymousPhones && place.instances.every((instance) => newest.has(instance));
    const by = superseded ? newest.get(place.instances[0] ?? '') : undefined;
    if (by !== undefined) {
      by.alternates.push(place);
      continue;
    }
    const arrangement = { place, alternates: [] };
    chosen.push(arrangement);
    for (const instance of place.instances) {
      if (!newest.has(instance)) newest.set(instance, arrangement);
    }
  }
  return chosen;
}
