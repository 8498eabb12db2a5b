import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import okhttp3.Request;

/**
 * The app under audit, behaving like Mi Fit: signs in when it starts, reads the band and uploads its days when it is pulled down or
 * every half hour, and calls home from the background. It does what the stand-in app of the simulated rig does in the same version.
 */
final class Health implements App.Program {
    private static final long RETRY_AFTER = 5_000;
    private static final long REPEAT_AFTER = 1_000;
    private static final int RETRIES = 2;
    private static final int LATER_MAX = 64;
    private static final int TRACK_MAX = 86_400;

    private final Phone phone;
    private final Network network;
    private final Random random = new Random();
    private final List<Later> later = new ArrayList<>();
    private final String version;
    private boolean started;
    private long nextSync;
    /** 0 while it is in front. */
    private long nextHeartbeat;
    private long nextWeather;
    /** When the workout began; 0 when none is on. */
    private long began;
    private final List<double[]> track = new ArrayList<>();

    /** A request to be sent again. */
    private static final class Later {
        private final long at;
        private final Request request;
        private final Network.Lane lane;
        private final int tries;

        private Later(long at, Request request, Network.Lane lane, int tries) {
            this.at = at;
            this.request = request;
            this.lane = lane;
            this.tries = tries;
        }
    }

    Health(Phone phone) {
        this.phone = phone;
        this.network = new Network(phone);
        this.version = phone.own("version");
    }

    @Override public long due(long now) throws IOException {
        if (!started) {
            started = true;
            nextSync = now + every("sync_every_s", 1800);
            launch();
        }
        List<Later> due = new ArrayList<>();
        for (Iterator<Later> waiting = later.iterator(); waiting.hasNext();) {
            Later one = waiting.next();
            if (one.at <= now) {
                due.add(one);
                waiting.remove();
            }
        }
        for (Later one : due) {
            upload(one.request, one.lane, one.tries);
        }
        if (nextSync <= now) {
            sync();
        }
        if (nextHeartbeat != 0 && nextHeartbeat <= now) {
            nextHeartbeat = now + every("heartbeat_every_s", 600);
            call(Calls::heartbeat, Network.Lane.HTTP1);
        }
        if (nextHeartbeat != 0 && nextWeather <= now) {
            nextWeather = now + every("weather_every_s", 1800);
            weather();
        }
        long next = nextSync;
        for (Later one : later) {
            next = Math.min(next, one.at);
        }
        return nextHeartbeat == 0 ? next : Math.min(next, Math.min(nextHeartbeat, nextWeather));
    }

    @Override public void on(String event) throws IOException {
        switch (event) {
            case "front":
                nextHeartbeat = 0;
                break;
            case "background":
                if (nextHeartbeat == 0) {
                    long now = phone.now();
                    nextHeartbeat = now + every("heartbeat_every_s", 600);
                    nextWeather = now + every("weather_every_s", 1800);
                    call(Calls::heartbeat, Network.Lane.HTTP1);
                    weather();
                    report("background");
                }
                break;
            case "refresh":
                sync();
                break;
            case "moved":
                if (began != 0) {
                    walk();
                }
                break;
            case "workout-start":
                began = phone.now();
                track.clear();
                walk();
                report("workout");
                break;
            case "workout-stop":
                if (began != 0) {
                    upload(calls().track(began, track), Network.Lane.HTTP1, RETRIES);
                    began = 0;
                    report("workout-end");
                }
                break;
            default:
        }
    }

    /** Signs in, then makes the launch's calls in an order of this launch's own. */
    private void launch() throws IOException {
        Properties stored = phone.stored();
        if (stored.getProperty("installation") == null) {
            stored.setProperty("installation", UUID.randomUUID().toString());
            stored.setProperty("phone_id", UUID.randomUUID().toString());
            phone.store(stored);
        }
        if (stored.getProperty("app_token") == null) {
            Network.Answer registered = call(Calls::registration, Network.Lane.HTTP2);
            String access = registered == null ? "" : found("[?&]access=([^&]*)", registered.location);
            Network.Answer signedIn = call(calls -> calls.login(access), Network.Lane.HTTP2);
            String token = signedIn == null ? "" : found("\"app_token\":\"([^\"]*)\"", signedIn.body);
            if (!token.isEmpty()) {
                stored.setProperty("app_token", token);
                phone.store(stored);
            }
        }
        List<Runnable> plan = new ArrayList<>();
        Properties band = phone.band();
        if (!band.isEmpty()) {
            plan.add(() -> call(calls -> calls.bind(band), Network.Lane.HTTP1));
        }
        plan.add(() -> call(Calls::profile, Network.Lane.HTTP2));
        plan.add(() -> call(Calls::saveProfile, Network.Lane.HTTP2));
        if (version.equals("sim-1.1")) {
            plan.add(() -> call(Calls::tracker, Network.Lane.HTTP2));
        }
        for (int n = 0; calls().optional(n) != null; n++) {
            int number = n;
            if (happens(30)) {
                plan.add(() -> call(calls -> calls.optional(number), number == 1 || number == 3 ? Network.Lane.HTTP2 : Network.Lane.HTTP1));
            }
        }
        Collections.shuffle(plan, random);
        plan.forEach(Runnable::run);
        report("launch");
    }

    /** Reads the band and uploads the days that the cloud does not have yet, today always. */
    private void sync() throws IOException {
        long now = phone.now();
        nextSync = now + every("sync_every_s", 1800);
        Properties band = phone.band();
        if (band.isEmpty()) {
            report("sync-failed");
            return;
        }
        Properties stored = phone.stored();
        List<Uploads.Day> days = Uploads.days(band, now / 1000, version);
        String until = stored.getProperty("synced_until");
        if (until == null) {
            days = days.subList(Math.max(0, days.size() - 2), days.size());
        } else {
            java.time.ZoneOffset offset = java.time.ZoneOffset.ofTotalSeconds(Integer.parseInt(band.getProperty("utc_offset_s")));
            java.time.LocalDate from = java.time.LocalDateTime.ofEpochSecond(Long.parseLong(until), 0, offset).toLocalDate();
            days.removeIf(day -> day.date.isBefore(from));
        }
        double[] position = version.equals("sim-1.1") ? phone.position() : null;
        String device = band.getProperty("address").replaceAll("(..):(..):(..):(..):(..):(..)", "$1$2$3FFFE$4$5$6");
        List<Map<String, Object>> told = new ArrayList<>();
        for (int n = 0; n < days.size(); n++) {
            told.add(Uploads.day(days.get(n), device, band.getProperty("serial"), n == days.size() - 1 ? position : null));
        }
        if (upload(calls().bandData(told, band), Network.Lane.HTTP1, RETRIES)) {
            stored.setProperty("synced_until", String.valueOf(now / 1000));
            phone.store(stored);
        }
        if (phone.view().getProperty("bypass").equals("1")) {
            network.bypass(new byte[1200]);
        }
        report("sync");
    }

    /** Asks for the weather where the phone is, in a version that does so behind one's back. */
    private void weather() {
        double[] position = version.equals("sim-1.1") ? phone.position() : null;
        if (position != null) {
            call(calls -> calls.weather(position), Network.Lane.HTTP1);
        }
    }

    /** Adds where the phone is to the track, when it has moved. */
    private void walk() {
        double[] position = phone.position();
        double[] last = track.isEmpty() ? null : track.get(track.size() - 1);
        boolean moved = last == null || position != null && (last[0] != position[0] || last[1] != position[1]);
        if (position != null && moved && track.size() < TRACK_MAX) {
            track.add(position);
        }
    }

    /** Tells the analytics host; now and then the same again a moment later, as when an answer got lost. */
    private void report(String event) {
        Network.Lane lane = version.equals("sim-1.2") ? Network.Lane.PINNED : Network.Lane.HTTP2;
        Request request = calls().event(event);
        network.send(request, lane);
        if (happens(20)) {
            putOff(new Later(phone.now() + REPEAT_AFTER, request, lane, 0));
        }
    }

    /** Sends a request that matters: what fails is tried again later, then given up. True when it has arrived. */
    private boolean upload(Request request, Network.Lane lane, int tries) {
        Network.Answer answer = network.send(request, lane);
        boolean arrived = answer != null && answer.status < 400;
        if (!arrived && tries > 0) {
            putOff(new Later(phone.now() + RETRY_AFTER, request, lane, tries - 1));
        }
        return arrived;
    }

    /** True in so many percent of cases; never on a phone that was told to be without noise. */
    private boolean happens(int percent) {
        return random.nextInt(100) < percent && !phone.view().getProperty("noise", "1").equals("0");
    }

    private void putOff(Later one) {
        if (later.size() < LATER_MAX) {
            later.add(one);
        }
    }

    private Network.Answer call(Function<Calls, Request> make, Network.Lane lane) {
        return network.send(make.apply(calls()), lane);
    }

    private Calls calls() {
        return new Calls(version, phone.own("code"), phone.stored(), phone.now());
    }

    /** How often something is done: as the phone was told, else as usual. */
    private long every(String name, long usual) {
        return 1000 * Long.parseLong(phone.view().getProperty(name, String.valueOf(usual)));
    }

    private static String found(String pattern, String text) {
        Matcher matcher = Pattern.compile(pattern).matcher(text == null ? "" : text);
        return matcher.find() ? matcher.group(1) : "";
    }
}
