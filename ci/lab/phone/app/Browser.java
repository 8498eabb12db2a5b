import okhttp3.HttpUrl;
import okhttp3.Request;

/** The phone's browser: fetches what it is asked to view, as whoever trusts whom the phone trusts. */
final class Browser implements App.Program {
    private final Network network;

    Browser(Phone phone) {
        network = new Network(phone);
    }

    @Override public long due(long now) {
        return now + 3_600_000;
    }

    @Override public void on(String event) {
        HttpUrl url = event.startsWith("view ") ? HttpUrl.parse(event.substring(5)) : null;
        if (url != null) {
            network.send(new Request.Builder().url(url).header("user-agent", "StandInBrowser/1.0").build(), Network.Lane.HTTP2);
        }
    }
}
