// The page that plays one episode, whose numbers are in it.

openEpisode(JSON.parse($("data").textContent));
play(false);
