import { type Activity, sparkline } from "../live/activity.ts";
import { now } from "./clock.tsx";

type Props = { readonly activity: Activity; readonly width: number; readonly height: number; readonly label: string };

/** A small line of how busy something was in the last minute. */
export function Sparkline({ activity, width, height, label }: Props) {
  now.value; // Once a second.
  const points = sparkline(activity.read(Date.now()), width, height);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={label}
    >
      <polygon points={`0,${height} ${points} ${width},${height}`} />
      <polyline points={points} />
    </svg>
  );
}
