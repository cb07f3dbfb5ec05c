#pragma once

/// Live in the task that the component made.
void run_task();
