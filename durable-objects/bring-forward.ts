// Sets right an alarm of a clock that was ahead.

/** Brings the alarm forward if it is later than any that is set now. Leaves it alone if there is none, or if it rings. */
export async function bringForward(storage: DurableObjectStorage, latestMs: number): Promise<void> {
  const alarmMs = await storage.getAlarm();
  if (alarmMs !== null && alarmMs > latestMs) await storage.setAlarm(latestMs);
}
