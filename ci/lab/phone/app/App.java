/** Placeholder. */
final class App {
    private App() {}
}
