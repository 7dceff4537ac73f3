/** How many times longer things may take on a machine that is slower than others by nature, such as an emulated one. */
export const PATIENCE = Number(process.env.ISLA_TEST_PATIENCE ?? 1);
