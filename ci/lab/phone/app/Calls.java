import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.UUID;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import okhttp3.MediaType;
import okhttp3.Request;
import okhttp3.RequestBody;

/** What the app sends, call by call. When it sends what is Health's. Every host ends in .test. */
final class Calls {
    private static final String DATA = "api-mifit-de.huami.test";
    private static final String ACCOUNT = "account.huami.test";
    private static final String USER = "api-user.huami.test";
    private static final String ANALYTICS = "api-analytics.huami.test";
    private static final String IMAGES = "img-cdn.huami.test";

    private static final String PACKAGE = "test.standin.health";
    private static final String MODEL = "Stand-in One";
    private static final String USER_ID = "1000000001";

    /** The key that encrypts uploads in a version that does so; built into the app, as such keys are. */
    private static final byte[] UPLOAD_KEY = "stand-in app key".getBytes(StandardCharsets.US_ASCII);

    private final String version;
    private final String build;
    private final Properties stored;
    private final long now;

    Calls(String version, String code, Properties stored, long now) {
        this.version = version;
        this.build = code + "_" + version;
        this.stored = stored;
        this.now = now;
    }

    Request registration() {
        return post(USER, "/registrations/nobody%40mail.test/tokens", form("client_id", "StandIn", "password", "correct horse battery staple",
                "redirect_uri", "https://api-user.huami.test/successsignin.html", "token", "access", "state", "REDIRECTION",
                "country_code", "DE", "region", "eu-central-1"), FORM);
    }

    Request login(String access) {
        return post(ACCOUNT, "/v2/client/login", form("app_name", PACKAGE, "app_version", version, "code", access, "country_code", "DE",
                "device_id", stored.getProperty("phone_id"), "device_id_type", "uuid", "device_model", "android_phone",
                "grant_type", "access_token", "third_name", "huami", "lang", "en", "os_version", "1.5.0",
                "source", PACKAGE + ":" + build.replaceAll("(.*)_(.*)", "$2:$1"), "allow_registration", "false"), FORM);
    }

    Request bind(Properties band) {
        String address = band.getProperty("address");
        return post(DATA, "/v1/device/binds.json", form("deviceid", address.replace(":", ""), "mac", address,
                "sn", band.getProperty("serial"), "auth_key", band.getProperty("key"), "fw_version", band.getProperty("firmware"),
                "hardwareVersion", "V0.18.4.3", "productId", "19", "productVersion", "256", "device_source", "24", "bind_timezone", "4",
                "activeStatus", "1", "brand", "Standin", "sys_model", MODEL, "sys_version", "14",
                "app_time", String.valueOf(now / 1000), "enableMultiDevice", "1") + "&" + form(common()), FORM);
    }

    Request profile() {
        return get(USER, "/users/-/profile", common());
    }

    Request saveProfile() {
        return post(USER, "/users/-/profile", Json.text(
                Json.object("nickName", "Quillon", "birthday", "1984-03-07", "height", 171, "weight", 63.4)), JSON);
    }

    Request event(String name) {
        return post(ANALYTICS, "/api/v5/app/collect", Json.text(Json.object(
                "device", Json.object("model", MODEL, "os", "android_34", "id", stored.getProperty("phone_id")),
                "events", List.of(Json.object("name", name, "time", now, "session", UUID.randomUUID().toString())))), JSON);
    }

    /** Calls that only some launches make, by number from 0 on; {@code null} after the last one. */
    Request optional(int number) {
        switch (number) {
            case 0: return get(DATA, "/badge/summary", common());
            case 1: return get(USER, "/users/messageCenter", common());
            case 2: return get(DATA, "/devices/ALL/hasNewVersion", with(common(), "firmwareVersion", "V2.3.0.2", "deviceSource", "24"));
            case 3: return get(IMAGES, "/banner/home.json", new String[] {"slot", "home", "density", "2.75"});
            default: return null;
        }
    }

    Request bandData(List<Map<String, Object>> days, Properties band) {
        String[] mac = band.getProperty("address").split(":");
        String device = mac[0] + mac[1] + mac[2] + "FFFE" + mac[3] + mac[4] + mac[5];
        String body = form("userid", USER_ID, "last_sync_data_time", stored.getProperty("synced_until", "0"), "device_type", "0",
                "last_deviceid", device, "data_json", Json.text(days).replace("/", "\\/"));
        List<String> rest = new ArrayList<>();
        String[] common = common();
        for (int n = 0; n < common.length; n += 2) {
            // The band's kind stands where the phone's does in other calls, and the account is already there.
            if (!common[n].equals("userid") && !common[n].equals("device_type")) {
                rest.add(common[n]);
                rest.add(common[n + 1]);
            }
        }
        body += "&" + form(rest.toArray(new String[0]));
        if (!version.equals("sim-1.2")) {
            return post(DATA, "/v1/data/band_data.json", body, FORM);
        }
        RequestBody sealed = RequestBody.create(MediaType.get("application/octet-stream"), sealed(body.getBytes(StandardCharsets.UTF_8)));
        return request(DATA, "/v1/data/band_data.json", new String[0]).header("x-hm-ekv", "1").post(sealed).build();
    }

    Request track(long began, List<double[]> points) {
        String id = String.valueOf(began / 1000);
        String summary = Json.text(Json.object("trackid", id, "dis", String.format(Locale.ROOT, "%.1f", Uploads.metres(points)),
                "run_time", String.valueOf((now - began) / 1000), "end_time", String.valueOf(now / 1000), "type", 1));
        String body = form("trackid", id, "source", "run.24.huami.test", "summary", summary);
        if (!points.isEmpty()) {
            body += "&" + form("longitude_latitude", Uploads.track(points), "start_latitude", String.valueOf(points.get(0)[0]),
                    "start_longitude", String.valueOf(points.get(0)[1]));
        }
        return post(DATA, "/v1/sport/run/track.json", body + "&" + form(common()), FORM);
    }

    Request weather(double[] position) {
        String place = String.format(Locale.ROOT, "%.3f,%.3f,xiaomi_accu:%d", position[0], position[1],
                Math.floorMod(String.format(Locale.ROOT, "%.1f/%.1f", position[0], position[1]).hashCode(), 900_000) + 100_000);
        return get(DATA, "/weather/v2/forecast",
                new String[] {"locationKey", place, "days", "10", "isGlobal", "true", "locale", "en_US", "deviceSource", "24"});
    }

    Request heartbeat() {
        return get(DATA, "/v1/user/heartbeat.json", common());
    }

    Request tracker() {
        String body = Json.text(Json.object("app", PACKAGE, "advertising_id", stored.getProperty("phone_id"), "model", MODEL,
                "os", "Android 14", "timezone", "Europe/Berlin", "language", "en_US", "sent_at", now));
        return new Request.Builder().url("https://tracker.test/collect").header("user-agent", agent()).post(body(body, JSON)).build();
    }

    private Request get(String host, String path, String[] query) {
        return request(host, path, query).build();
    }

    private Request post(String host, String path, String body, String type) {
        return request(host, path, new String[0]).post(body(body, type)).build();
    }

    /** A request with what every call of the app carries: {@code r} and {@code t} in the query, and its headers. */
    private Request.Builder request(String host, String path, String[] query) {
        String[] all = with(new String[] {"r", stored.getProperty("installation"), "t", String.valueOf(now)}, query);
        Request.Builder request = new Request.Builder().url("https://" + host + path + "?" + form(all))
                .header("user-agent", agent()).header("accept-language", "en-US").header("accept-encoding", "identity")
                .header("appname", PACKAGE).header("appplatform", "android_phone").header("hm-privacy-diagnostics", "false")
                .header("hm-privacy-ceip", "true").header("x-request-id", UUID.randomUUID().toString()).header("country", "DE")
                .header("channel", "Normal").header("cv", build).header("v", "2.0").header("lang", "en_US")
                .header("timezone", "Europe/Berlin");
        String token = stored.getProperty("app_token");
        return token == null ? request : request.header("apptoken", token);
    }

    /** Parameters of nearly every call. */
    private String[] common() {
        return new String[] {"userid", USER_ID, "appid", "100000000000000042", "callid", String.valueOf(now), "channel", "Normal",
                "country", "DE", "cv", build, "device", "android_34", "device_type", "android_phone", "lang", "en_US",
                "timezone", "Europe/Berlin", "v", "2.0"};
    }

    private String agent() {
        return "StandIn/" + version + " (" + MODEL + "; Android 14; Density/2.75)";
    }

    /** AES-128-CBC with PKCS #7 padding, the initialisation vector in front. */
    private static byte[] sealed(byte[] plain) {
        try {
            byte[] vector = new byte[16];
            new SecureRandom().nextBytes(vector);
            Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding");
            cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(UPLOAD_KEY, "AES"), new IvParameterSpec(vector));
            byte[] body = cipher.doFinal(plain);
            byte[] all = new byte[16 + body.length];
            System.arraycopy(vector, 0, all, 0, 16);
            System.arraycopy(body, 0, all, 16, body.length);
            return all;
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    private static RequestBody body(String text, String type) {
        return RequestBody.create(MediaType.get(type), text.getBytes(StandardCharsets.UTF_8));
    }

    private static String[] with(String[] pairs, String... more) {
        List<String> all = new ArrayList<>(List.of(pairs));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }

    /** A form: everything but unreserved characters (RFC 3986, section 2.3) percent-encoded. */
    private static String form(String... pairs) {
        StringJoiner form = new StringJoiner("&");
        for (int n = 0; n < pairs.length; n += 2) {
            form.add(encoded(pairs[n]) + "=" + encoded(pairs[n + 1]));
        }
        return form.toString();
    }

    private static String encoded(String text) {
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            if (c < 0x80 && (Character.isLetterOrDigit(c) || "-._~".indexOf(c) >= 0)) {
                out.append(c);
            } else {
                out.append(String.format("%%%02X", b & 0xff));
            }
        }
        return out.toString();
    }

    private static final String FORM = "application/x-www-form-urlencoded; charset=UTF-8";
    private static final String JSON = "application/json; charset=UTF-8";
}
