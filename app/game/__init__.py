"""The game, which face is real: rules, rounds, anti-cheat, statistics, leaderboard and its page."""
