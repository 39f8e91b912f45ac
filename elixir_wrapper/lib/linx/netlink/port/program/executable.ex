defmodule Linx.Netlink.Port.Program.Executable do
  @moduledoc """
  Which file the port program is, and whether it can be run.

  It is looked at on every start, so that a program that appears, or is mended, is found.
  """

  alias Linx.Netlink.Port.{Errno, Settings}

  @enforce_keys [:path, :command, :prefix, :args]
  defstruct @enforce_keys

  @typedoc """
  The port program; the command that starts it (itself or a launcher); what the launcher is to be
  told before anything else; and the arguments that were configured.
  """
  @type t() :: %__MODULE__{
          path: Path.t(),
          command: Path.t(),
          prefix: [String.t()],
          args: [String.t()]
        }

  # linux/capability.h.
  @capabilities [{"CAP_NET_ADMIN", 12}, {"CAP_SYS_PTRACE", 19}, {"CAP_SYS_ADMIN", 21}]

  @enoent 2
  @eacces 13

  @doc """
  The file that is built by `mix compile`.

  ## Example

      iex> Path.basename(Linx.Netlink.Port.Program.Executable.default())
      "linx-netlink-port"
  """
  @spec default() :: Path.t()
  def default do
    case :code.priv_dir(:linx_netlink_port) do
      {:error, :bad_name} -> "priv/linx-netlink-port"
      directory -> Path.join(List.to_string(directory), "linx-netlink-port")
    end
  end

  @doc """
  The file that the settings ask for.

  ## Example

      iex> alias Linx.Netlink.Port.Settings
      iex> alias Linx.Netlink.Port.Program.Executable
      iex> Executable.path(Settings.new!(executable: "/bin/sh"))
      "/bin/sh"
  """
  @spec path(Settings.t()) :: Path.t()
  def path(%Settings{executable: nil}), do: default()
  def path(%Settings{executable: path}), do: path

  @doc """
  Finds the command to run; or says with an error number why there is none, in words too: the port program
  isn't there (2), it can't be run (13), or it can't be looked at, for whatever reason the kernel gives; or
  its launcher isn't there (`:no_launcher`).

  ## Examples

      iex> alias Linx.Netlink.Port.Settings
      iex> alias Linx.Netlink.Port.Program.Executable
      iex> settings = Settings.new!(executable: "/bin/sh", launcher: ["env", "-i"], args: ["--no-pid"])
      iex> {:ok, executable} = Executable.find(settings)
      iex> Executable.arguments(executable, "@somewhere")
      ["-i", "/bin/sh", "--rendezvous", "@somewhere", "--no-pid"]

      iex> settings = Linx.Netlink.Port.Settings.new!(executable: "/")
      iex> {:error, 13, words} = Linx.Netlink.Port.Program.Executable.find(settings)
      iex> words
      "the port program / can't be run; it must be a file with the permission to execute it"
  """
  @spec find(Settings.t()) :: {:ok, t()} | {:error, Errno.reason(), String.t()}
  def find(%Settings{launcher: []} = settings) do
    path = path(settings)

    case check(path) do
      :ok -> {:ok, %__MODULE__{path: path, command: path, prefix: [], args: settings.args}}
      {:error, code} -> {:error, code, "the port program #{path} #{problem(code)}"}
    end
  end

  # What a launcher may run is for the launcher to judge: sudo sees more than the BEAM does.
  def find(%Settings{launcher: [launcher | words]} = settings) do
    path = path(settings)

    case find_launcher(launcher) do
      nil ->
        {:error, :no_launcher,
         "the launcher #{launcher} of the port program #{path} is not there"}

      command ->
        prefix = words ++ [path]
        {:ok, %__MODULE__{path: path, command: command, prefix: prefix, args: settings.args}}
    end
  end

  # What is no text can be no command of the search path, as OTP looks for it.
  defp find_launcher(launcher),
    do: if(String.valid?(launcher), do: System.find_executable(launcher))

  @doc """
  Whether a launcher stands between the BEAM and the port program.

  ## Example

      iex> alias Linx.Netlink.Port.Settings
      iex> alias Linx.Netlink.Port.Program.Executable
      iex> {:ok, alone} = Executable.find(Settings.new!(executable: "/bin/sh", launcher: []))
      iex> {:ok, launched} = Executable.find(Settings.new!(executable: "/bin/sh", launcher: ["env"]))
      iex> {Executable.launched?(alone), Executable.launched?(launched)}
      {false, true}
  """
  @spec launched?(t()) :: boolean()
  def launched?(%__MODULE__{prefix: prefix}), do: prefix != []

  @doc "The command's arguments, for a rendezvous at this address."
  @spec arguments(t(), String.t()) :: [String.t()]
  def arguments(%__MODULE__{prefix: prefix, args: args}, address) do
    prefix ++ ["--rendezvous", address | args]
  end

  @doc """
  Starts the command, to meet the calling process at this address. What it prints and its exit status come as
  messages of the port. An error is a number: the system has no process or no memory for it, or the BEAM no
  descriptor, or the kernel doesn't run it.
  """
  @spec open_port(t(), String.t()) :: {:ok, port()} | {:error, pos_integer()}
  def open_port(%__MODULE__{command: command} = executable, address) do
    options = [
      # Not {:packet, 4}: the BEAM would allocate whatever length a program announces that prints
      # something else, and wait for it.
      :stream,
      :binary,
      :exit_status,
      :hide,
      args: arguments(executable, address)
    ]

    {:ok, Port.open({:spawn_executable, command}, options)}
  rescue
    error in ErlangError -> {:error, Errno.to_code(error.original)}
    _error in ArgumentError -> {:error, Errno.to_code(:einval)}
  end

  @doc """
  The capabilities that the port program's file may have and the BEAM's bounding set has not. The kernel
  doesn't execute a file that has one of them (`EPERM`), and the exit status is 1.

      iex> "CapBnd:\\t000001fffedfffff" |> Linx.Netlink.Port.Program.Executable.unbounded()
      ["CAP_SYS_ADMIN"]
  """
  @spec unbounded(binary()) :: [String.t()]
  def unbounded(status) do
    case Regex.run(~r/^CapBnd:\s*([0-9a-f]+)$/m, status) do
      [_line, set] ->
        set = String.to_integer(set, 16)
        for {name, bit} <- @capabilities, Bitwise.band(set, Bitwise.bsl(1, bit)) == 0, do: name

      nil ->
        []
    end
  end

  defp check(path) do
    case File.stat(path) do
      {:ok, %File.Stat{type: :regular, mode: mode}} ->
        if Bitwise.band(mode, 0o111) == 0, do: {:error, @eacces}, else: :ok

      {:ok, _not_a_file} ->
        {:error, @eacces}

      {:error, reason} ->
        {:error, Errno.to_code(reason)}
    end
  end

  defp problem(@enoent),
    do: "is not there; `mix compile` builds it, the option :executable says where it is"

  defp problem(@eacces), do: "can't be run; it must be a file with the permission to execute it"
  defp problem(code), do: "can't be run: #{Errno.describe(code)}"
end
