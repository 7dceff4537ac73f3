/** Files that hold a lambda's code, in the order in which they are looked for. */
export const HANDLER_FILES: readonly string[] = ['lambda_func.py', 'f.py'];
