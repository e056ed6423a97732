// The filters of a search in a LangGraph store. They mean what they mean in LangGraph's own InMemoryStore.

const OPERATORS: Readonly<Record<string, (value: unknown, operand: unknown) => boolean>> = {
  $eq: (value, operand) => value === operand,
  $ne: (value, operand) => value !== operand,
  $gt: (value, operand) => Number(value) > Number(operand),
  $gte: (value, operand) => Number(value) >= Number(operand),
  $lt: (value, operand) => Number(value) < Number(operand),
  $lte: (value, operand) => Number(value) <= Number(operand),
  $in: (value, operand) => Array.isArray(operand) && operand.includes(value),
  $nin: (value, operand) => !Array.isArray(operand) || !operand.includes(value),
};

/** Whether each member that the filter names has the value, or satisfies the operators, of the filter. */
export function matchesFilter(
  value: Readonly<Record<string, unknown>>,
  filter: Readonly<Record<string, unknown>> = {},
): boolean {
  return Object.entries(filter).every(([name, wanted]) => {
    if (!isOperators(wanted)) return value[name] === wanted;
    return Object.entries(wanted).every(([operator, operand]) => OPERATORS[operator]?.(value[name], operand));
  });
}

function isOperators(wanted: unknown): wanted is Readonly<Record<string, unknown>> {
  if (typeof wanted !== "object" || wanted === null) return false;
  return Object.keys(wanted).every((name) => Object.hasOwn(OPERATORS, name));
}
