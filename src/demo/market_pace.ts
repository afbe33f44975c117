/** How often the market moves: often enough for a display, and in one step of many symbols. */
export const STEPS_PER_SECOND = 20;
/** What the house does in one step; about as many symbols change. */
export const ACTIONS_PER_STEP = 40;
