import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A process of the stand-in phone: the app of the package that it is named after. What happens to it comes as lines on stdin. */
public final class App {
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();

    /** An app: does what it does by itself, and what an event makes it do. */
    interface Program {
        /** What is due by now; when it next wants to be asked, in milliseconds of the phone's clock. */
        long due(long now) throws Exception;

        /** Something happened: {@code front}, {@code background}, {@code refresh}, {@code moved}, {@code view URL} and the like. */
        void on(String event) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Phone phone = new Phone(arguments[0]);
        Program program;
        switch (arguments[0]) {
            case "test.standin.health": program = new Health(phone); break;
            case "test.standin.weather": program = new Weather(phone); break;
            case "test.standin.browser": program = new Browser(phone); break;
            default: program = new Idle();
        }
        new App().run(phone, program);
    }

    private void run(Phone phone, Program program) throws Exception {
        Thread reader = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    events.add(line);
                }
            } catch (java.io.IOException gone) {
                // As when it ends.
            }
            // Whoever started it is gone.
            System.exit(0);
        });
        reader.setDaemon(true);
        reader.start();
        while (true) {
            long next = program.due(phone.now());
            String event = events.poll(Math.max(1, next - phone.now()), TimeUnit.MILLISECONDS);
            if (event != null) {
                program.on(event);
            }
        }
    }

    /** An app that nobody wrote: it runs and does nothing. */
    private static final class Idle implements Program {
        @Override public long due(long now) {
            return now + 3_600_000;
        }

        @Override public void on(String event) {}
    }
}
