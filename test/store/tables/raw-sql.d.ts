// How tests import the dumps: as text.
declare module "*.sql?raw" {
  const text: string;
  export default text;
}
