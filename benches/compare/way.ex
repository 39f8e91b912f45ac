defmodule Bench.Way do
  @moduledoc """
  A way to open sockets from Elixir: how it opens one, how to see where that landed and to close it, and
  which process works for it besides the BEAM.
  """

  alias Bench.{Echo, Nif}
  alias Linx.Netlink.Port

  # The only place that names it.
  @drop_in Linx.Netlink.Port.Native

  # `keeps` is how many descriptors of the BEAM an open one takes, when everything is settled.
  @enforce_keys [:open, :release]
  defstruct @enforce_keys ++ [keeps: 1, os_pid: nil]

  @netlink 16
  @sol_netlink 270
  @ext_ack 11
  @netns_cookie {1, 71}
  @patience 10_000

  @doc "The NIF: a raw descriptor."
  def nif, do: %__MODULE__{open: &Nif.open_in_netns(&1, 0), release: &release_fd/2}

  @doc "The same functions, and the port program behind them."
  def drop_in do
    %__MODULE__{
      open: &@drop_in.open_in_netns(&1, 0),
      release: &release_fd/2,
      os_pid: program()
    }
  end

  @doc "A socket of the port program, with nothing left over."
  def open do
    %__MODULE__{open: &Port.open(&1, 0), release: &release_socket/2, os_pid: program()}
  end

  @doc "The NIF, and what it takes to have a socket with nothing left over."
  def nif_adopted, do: %__MODULE__{open: &open_adopted(&1, Nif), release: &release_socket/2}

  @doc "OTP's own option. The scheduler goes to the namespace and back."
  def otp do
    %__MODULE__{
      open: &:socket.open(@netlink, :raw, 0, %{netns: String.to_charlist(&1)}),
      release: &release_socket/2
    }
  end

  @doc "What Linx does to have a socket, on the NIF."
  def linx_nif, do: %__MODULE__{open: &open_as_linx(&1, Nif), release: &release_socket/2}

  @doc "The same on the drop-in."
  def linx_drop_in do
    %__MODULE__{
      open: &open_as_linx(&1, @drop_in),
      release: &release_socket/2,
      os_pid: program()
    }
  end

  @doc "Nothing is opened: there and back again."
  def echo(echo) do
    %__MODULE__{
      open: &Echo.ask(echo, &1),
      release: fn _answer, _cookie -> :ok end,
      keeps: 0,
      os_pid: Echo.os_pid(echo)
    }
  end

  defp program do
    {:ok, info} = Port.info()
    info.program.os_pid
  end

  defp open_adopted(path, native) do
    with {:ok, fd} <- native.open_in_netns(path, 0),
         {:ok, socket} <- :socket.open(fd),
         :ok <- native.close_fd(fd),
         do: {:ok, socket}
  end

  defp open_as_linx(path, native) do
    with {:ok, socket} <- open_adopted(path, native),
         :ok <- :socket.setopt_native(socket, {@sol_netlink, @ext_ack}, <<1::native-32>>),
         {:ok, number} <- :socket.getopt(socket, {:otp, :fd}),
         :ok <- native.bind_netlink(number, 0),
         do: {:ok, socket}
  end

  @doc "Fails unless every socket is in its namespace; closes them."
  def check_and_close(way, opened) do
    Enum.each(opened, fn {netns, {:ok, handle}} -> way.release.(handle, netns.cookie) end)
  end

  defp release_fd(fd, cookie) do
    {:ok, socket} = :socket.open(fd)
    release_socket(socket, cookie)
    Nif.close_fd(fd)
  end

  defp release_socket(socket, cookie) do
    if cookie(socket) != cookie, do: raise("a socket landed elsewhere")
    :socket.close(socket)
  end

  @doc "The kernel's number for the network namespace of a socket."
  def cookie(socket) do
    {:ok, <<cookie::native-64>>} = :socket.getopt_native(socket, @netns_cookie, 8)
    cookie
  end

  @doc "Waits until the BEAM has so many descriptors open: until everything that is left over is closed."
  def settle(descriptors), do: settle(descriptors, now() + @patience)

  defp settle(descriptors, deadline) do
    case Nif.descriptors() do
      ^descriptors ->
        :ok

      other ->
        if now() < deadline,
          do: settle_later(descriptors, deadline),
          else: leak(other, descriptors)
    end
  end

  # To tell how many descriptors it watches, the server must have dealt with those that it was told of.
  # To look again and again would take the processor from those who close them.
  defp settle_later(descriptors, deadline) do
    {:ok, _info} = Port.info()
    settle(descriptors, deadline)
  end

  defp leak(seen, expected), do: raise("#{seen} descriptors are open instead of #{expected}")
  defp now, do: System.monotonic_time(:millisecond)

  @doc "Fails if a scheduler has not come back: OTP's option leaves it where it is when it fails."
  def all_at_home!(home) do
    for scheduler <- 1..System.schedulers() do
      check = fn -> exit({:shutdown, cookie_here()}) end
      {pid, monitor} = :erlang.spawn_opt(check, [:monitor, scheduler: scheduler])

      receive do
        {:DOWN, ^monitor, :process, ^pid, {:shutdown, ^home}} -> :ok
        {:DOWN, ^monitor, :process, ^pid, _other} -> raise "scheduler #{scheduler} is elsewhere"
      end
    end

    :ok
  end

  @doc "That of the calling scheduler's namespace."
  def cookie_here do
    {:ok, socket} = :socket.open(@netlink, :raw, 0)
    cookie = cookie(socket)
    :ok = :socket.close(socket)
    cookie
  end
end
