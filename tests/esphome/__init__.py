"""The ESPHome component: its configuration, its code, and a board that is really updated."""
