/// Sends y of every step of a RUN: checks its address, commands the write, and lets so many
/// beats go.
module spacc_send #(
  parameter  int unsigned AxiBits   = 64,
  localparam int unsigned AlignBits = $clog2(AxiBits / 8)
) (
  input  logic        clk_i,
  input  logic        rst_ni,          // synchronous, active low: also a flush
  input  logic        start_i,
  input  logic [31:0] steps_i,
  input  logic [31:0] beats_i,         // of a step
  input  logic [31:0] offset_i,
  input  logic [31:0] stride_i,
  input  logic [63:0] region_ptr_i,
  input  logic [31:0] region_bytes_i,
  output logic        cmd_valid_o,
  input  logic        cmd_ready_i,
  output logic [63:0] cmd_address_o,
  output logic        take_o,          // beats may go
  input  logic        beat_i,          // one goes
  output logic        busy_o,          // steps are left
  output logic        bad_address_o,   // pulse
  output logic [63:0] address_o        // with bad_address_o
);

  typedef enum logic [1:0] {Idle, Check, Command, Data} state_e;
  state_e      state_q;
  logic        active_q;
  logic [31:0] left_q, offset_q, beats_left_q;
  logic        bad;

  assign bad = {1'b0, offset_q} + {1'b0, beats_i << AlignBits} > {1'b0, region_bytes_i} ||
               offset_q[AlignBits-1:0] + region_ptr_i[AlignBits-1:0] != '0;

  always_ff @(posedge clk_i) begin
    bad_address_o <= 1'b0;
    if (!rst_ni) begin
      state_q  <= Idle;
      active_q <= 1'b0;
    end else begin
      case (state_q)
        Idle: if (active_q && left_q != 32'd0) state_q <= Check;
        Check: begin
          state_q       <= bad ? Idle : Command;
          active_q      <= !bad;
          bad_address_o <= bad;
        end
        Command: if (cmd_ready_i) state_q <= Data;
        default: if (beat_i && beats_left_q == 32'd1) state_q <= Idle;
      endcase
      if (start_i) active_q <= 1'b1;
    end
    if (start_i) begin
      left_q   <= steps_i;
      offset_q <= offset_i;
    end else if (state_q == Command && cmd_ready_i) begin
      left_q       <= left_q - 32'd1;
      offset_q     <= offset_q + stride_i;
      beats_left_q <= beats_i;
    end else if (beat_i) begin
      beats_left_q <= beats_left_q - 32'd1;
    end
    if (state_q == Check) cmd_address_o <= region_ptr_i + {32'd0, offset_q};
  end

  assign cmd_valid_o = state_q == Command;
  assign take_o      = state_q == Data;
  assign busy_o      = active_q && (state_q != Idle || left_q != 32'd0);
  assign address_o   = cmd_address_o;

endmodule
