import java.util.List;
import java.util.Map;
import java.util.UUID;
import okhttp3.MediaType;
import okhttp3.Request;
import okhttp3.RequestBody;

/**
 * Another app on the same phone, with hosts of its own: a weather widget with news. It tells where the phone is, so that an audit has
 * to tell the two apart.
 */
final class Weather implements App.Program {
    private final Phone phone;
    private final Network network;
    private final String installation = UUID.randomUUID().toString();
    private long next;

    Weather(Phone phone) {
        this.phone = phone;
        this.network = new Network(phone);
    }

    /** A round every so often: every five minutes, or as the phone was told. */
    @Override public long due(long now) {
        if (now >= next) {
            next = now + 1000 * Long.parseLong(phone.view().getProperty("weather_every_s", "300"));
            round(now);
        }
        return next;
    }

    /** It works at its own pace, whether anybody looks at it or not. */
    @Override public void on(String event) {}

    private void round(long now) {
        double[] position = phone.position();
        String query = "?install=" + installation + "&ts=" + now;
        Map<String, Object> body = Json.object("install", installation, "request", UUID.randomUUID().toString(), "ts", now,
                "topics", List.of("local", "sport"));
        if (position != null) {
            query += String.format("&lat=%.4f&lon=%.4f", position[0], position[1]);
            body.put("where", Json.object("lat", position[0], "lon", position[1]));
        }
        String agent = "WeatherWidget/3 (Stand-in One)";
        network.send(new Request.Builder().url("https://weather-widget.test/v1/now" + query).header("user-agent", agent).build(),
                Network.Lane.HTTP1);
        network.send(new Request.Builder().url("https://news.test/feed").header("user-agent", agent)
                .post(RequestBody.create(MediaType.get("application/json"), Json.text(body).getBytes(java.nio.charset.StandardCharsets.UTF_8)))
                .build(), Network.Lane.HTTP2);
    }
}
